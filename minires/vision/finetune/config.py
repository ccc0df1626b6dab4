"""What a fine-tuning can be asked for."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import UsageError, expect
from ...models import NetSpec
from ...runs.config import from_facts
from ..pictures import LEAST_SIZE
from ..split import STAGES


@dataclass(frozen=True)
class FinetuneConfig:
    """What a run was asked for.

    Attributes:
        data: the folder of pictures.
        model: the net, such as resnet18.
        weights: a file to begin from; without one the weights are initial ones.
        epochs: passes over the training pictures.
        lr: the learning rate, which stays as it is; momentum is 0.9.
        batch: pictures a step.
        val_split: the share of a folder without `val/` kept for validation; None: the default.
        freeze: whether the first stages stay as they are.
        stages: how many of the last stages are trained all the same, beside the last layer.
        augment: whether training sees a random part of a picture, mirrored half of the time.
        size: height and width of what the net sees.
        seed: of the new weights, the order, the split and the augmentation.

    Raises:
        UsageError: a value that cannot be meant.
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
        NetSpec.parse(self.model, "imagenet")
        for name, value, least in (
            ("epochs", self.epochs, 1),
            ("batch", self.batch, 2),
            ("size", self.size, LEAST_SIZE),
            ("seed", self.seed, 0),
        ):
            expect(value >= least, UsageError, f"{name} must be at least {least}, got {value}")
        expect(
            0 < self.lr < math.inf,
            UsageError,
            f"the learning rate must be above 0 and finite, got {self.lr}",
        )
        expect(
            0 <= self.stages < STAGES,
            UsageError,
            f"stages must be 0 to {STAGES - 1}, got {self.stages}",
        )
        expect(
            self.freeze or self.stages == 0,
            UsageError,
            f"stages = {self.stages} says what is still trained when the others are frozen: "
            "add --freeze",
        )

    @classmethod
    def from_facts(cls, facts: dict[str, Any], out: Path) -> "FinetuneConfig":
        """The configuration in a run's config.json.

        Raises:
            RunError: it is of another experiment, or a value is missing or altered.
        """
        return from_facts(cls, facts, out)

    @property
    def trained(self) -> str:
        """What is trained, in words."""
        if not self.freeze:
            return "all layers are trained"
        last = [f"layer{i}" for i in range(STAGES - self.stages + 1, STAGES + 1)]
        return f"{', '.join([*last, 'fc'])} alone {'are' if last else 'is'} trained"
