"""The settings of a fine-tuning run."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ...models import NetSpec
from ...runs.config import check_least, option, parse_config
from ..folder_images import MIN_SIZE
from .model import STAGES


@dataclass(frozen=True)
class FinetuneConfig:
    """The settings of a run on the images in the folder `data`; the rest as their help says.

    The learning rate `lr` is constant, and momentum 0.9.

    Raises:
        UsageError: a value that is out of range.
    """

    data: str
    model: str = option(
        "resnet18", "resnet18 (the default), 34, 50, 101, 152, plain18 or plain34.", nets="imagenet"
    )
    weights: str | None = option(
        None,
        "File of weights to begin from, with a new last layer, unless they are a run's with the "
        "same classes; without, initial ones.",
        path=Path.absolute,
    )
    key: str | None = option(
        None, "Where in a .pth file the weights are, such as net; by default they are found."
    )
    epochs: int = option(
        10,
        "Passes over the training images, {default} by default; with --resume there may be more.",
    )
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
        check_least(self, epochs=1, batch=2, size=MIN_SIZE, seed=0)
        if self.key is not None and self.weights is None:
            raise UsageError(f"key {self.key!r} names tensors in a file of weights: add --weights")
        if not 0 < self.lr < math.inf:
            raise UsageError(f"the learning rate must be above 0 and finite, got {self.lr}")
        if not 0 <= self.stages < STAGES:
            raise UsageError(f"stages must be 0 to {STAGES - 1}, got {self.stages}")
        if self.stages and not self.freeze:
            raise UsageError(
                f"stages = {self.stages} says what is still trained when the others are frozen: "
                "add --freeze"
            )

    @classmethod
    def from_facts(cls, facts: dict[str, Any], out: Path) -> "FinetuneConfig":
        """Return the settings in the config.json of the run in `out`.

        Raises:
            RunError: a value is missing or altered, or it is another kind of run.
        """
        return parse_config(cls, {"key": None, **facts}, out)

    @property
    def trained(self) -> str:
        """Return the names of the layers that are trained, or "all"."""
        if not self.freeze:
            return "all"
        first = STAGES - self.stages + 1
        return ", ".join([*(f"layer{i}" for i in range(first, STAGES + 1)), "fc"])
