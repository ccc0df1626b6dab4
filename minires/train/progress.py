"""What a training reports: its progress after every step, and a row at the end of every epoch."""

import math
from dataclasses import dataclass, fields
from typing import Any

from .values import check_value

_BOUNDS = {
    **dict.fromkeys(("seed", "iteration", "epoch", "lr", "seconds"), (0, math.inf)),
    **dict.fromkeys(("train_error", "test_error"), (0, 100)),
}


@dataclass(frozen=True)
class Row:
    """What was measured at the end of an epoch.

    Attributes:
        seed, net: of the training.
        iteration: training steps taken so far.
        epoch: passes over the training images so far; a fraction if training ended within one.
        lr: the learning rate of the last step.
        train_loss, train_error: means over the epoch's batches, measured as they were trained on:
            augmented, and before each update; the error in %.
        test_error: over all test images after the epoch, in %.
        seconds: the time that the training has taken so far.
    """

    seed: int
    net: str
    iteration: int
    epoch: float
    lr: float
    train_loss: float
    train_error: float
    test_error: float
    seconds: float

    @classmethod
    def checked(cls, values: dict[str, Any]) -> "Row":
        """Return the row with these values, read from a file.

        Raises:
            TypeError: a column is missing or unknown, or its value has another type.
            ValueError: a value that no training has, such as NaN.
        """
        row = cls(**values)
        row.check()
        return row

    def check(self) -> None:
        """Raise as `checked` does."""
        for field in fields(self):
            kind: Any = float | int if field.type is float else field.type
            bounds = _BOUNDS.get(field.name, ())
            check_value(field.name, getattr(self, field.name), kind, *bounds)


@dataclass(frozen=True)
class Progress:
    """Where a training stands after a step.

    Attributes:
        iteration: training steps taken so far.
        epoch: passes over the training images so far.
        train_loss, train_error: means over the epoch so far; the error in %.
        row: what was measured at the end of the epoch, if this step was its last.
    """

    iteration: int
    epoch: float
    train_loss: float
    train_error: float
    row: Row | None

    @classmethod
    def at(cls, row: Row) -> "Progress":
        """Return the progress at the end of an epoch."""
        return cls(row.iteration, row.epoch, row.train_loss, row.train_error, row)


@dataclass
class EpochTotals:
    """Over the epoch so far: the sum of the images' losses, how many were wrong, how many seen."""

    loss: float = 0.0
    wrong: int = 0
    seen: int = 0

    def add(self, mean_loss: float, wrong: int, count: int) -> None:
        """Add a batch of `count` images."""
        self.loss += mean_loss * count
        self.wrong += wrong
        self.seen += count
