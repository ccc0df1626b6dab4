"""The settings of a fine-tuning run."""

import math
from dataclasses import dataclass

from ...errors import UsageError
from ...models.imagenet import NAMES
from ..folder_images import MIN_SIZE
from .model import STAGES


@dataclass(frozen=True)
class FinetuneConfig:
    """The settings of a run.

    Attributes:
        data: the folder of images.
        model: its name, such as resnet18.
        weights: a file of pretrained weights; None: the weights are initial ones.
        epochs: passes over the training images.
        lr: the learning rate, constant; momentum is 0.9.
        batch: images a training step.
        val_split: the share of a folder without `val/` kept for validation; None: the default.
        freeze: whether the first stages are frozen.
        stages: with `freeze`, how many of the last stages are trained besides the last layer.
        augment: whether training images are random crops, mirrored half of the time.
        size: height and width of the model's input, in pixels.
        seed: of the new weights, the order, the split and the augmentation.

    Raises:
        UsageError: a value that is out of range.
    """

    data: str
    model: str = "resnet18"
    weights: str | None = None
    epochs: int = 10
    lr: float = 0.001
    batch: int = 32
    val_split: float | None = None
    freeze: bool = False
    stages: int = 0
    augment: bool = True
    size: int = 224
    seed: int = 0

    def __post_init__(self) -> None:
        if self.model not in NAMES:
            raise UsageError(
                f"there is no model {self.model!r} for images; there are: {', '.join(NAMES)}"
            )
        for name, value, least in (
            ("epochs", self.epochs, 1),
            ("batch", self.batch, 2),
            ("size", self.size, MIN_SIZE),
            ("seed", self.seed, 0),
        ):
            if value < least:
                raise UsageError(f"{name} must be at least {least}, got {value}")
        if not 0 < self.lr < math.inf:
            raise UsageError(f"the learning rate must be above 0 and finite, got {self.lr}")
        if not 0 <= self.stages < STAGES:
            raise UsageError(f"stages must be 0 to {STAGES - 1}, got {self.stages}")
        if self.stages and not self.freeze:
            raise UsageError(
                f"stages = {self.stages} says what is still trained when the others are frozen: "
                "add --freeze"
            )

    @property
    def trained(self) -> str:
        """Return the names of the layers that are trained, or "all"."""
        if not self.freeze:
            return "all"
        first = STAGES - self.stages + 1
        return ", ".join([*(f"layer{i}" for i in range(first, STAGES + 1)), "fc"])
