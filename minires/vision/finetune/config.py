"""What a fine-tuning can be asked for."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import UsageError, expect
from ...models import NetSpec
from ...runs.config import from_facts, option
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
    model: str = option("resnet18", "resnet18 (the default), 34, 50, 101, 152, plain18 or plain34.")
    weights: str | None = option(
        None,
        "File of weights to begin from; without, initial ones.",
        path=Path.absolute,
    )
    epochs: int = option(10, "Passes over the training images, {default} by default.")
    lr: float = option(0.001, "Learning rate, {default} by default.")
    batch: int = option(32, "Images a training step, {default} by default.")
    val_split: float | None = option(
        None, "Share of each class to validate on, where there is no val/; 0.2 by default."
    )
    freeze: bool = option(False, "Train the last layer alone.")
    stages: int = option(0, "With --freeze: train so many of the last stages too, 1 to 3.")
    augment: bool = option(
        True,
        "Train on random parts, mirrored at random (the default), or on the middle; with --freeze "
        "the frozen layers are then computed once.",
    )
    size: int = option(224, "Height and width of the model's input, {default} by default.")
    seed: int = option(0, "Of everything random, {default} by default.")

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
