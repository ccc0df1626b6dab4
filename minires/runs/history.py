"""The history of a run: one row an epoch and net, as a CSV file."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..files import table
from .checksum import intact, write_checked
from .csv import columns, read_table


@dataclass(frozen=True)
class Row:
    """What was measured at the end of an epoch.

    Attributes:
        seed, net: which training.
        iteration: steps taken so far.
        epoch: passes over the training images so far; not whole where training ended in one.
        lr: the learning rate of the last step.
        train_loss, train_error: means over the epoch's batches as they were trained on, that
            is augmented and before each step; the error in %.
        test_error: over all test images after the epoch, in %.
        seconds: time this training has taken so far.
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
        """A row from values that were read; raises TypeError where one has another type."""
        row = cls(**values)
        for field in fields(cls):
            value = getattr(row, field.name)
            wanted: Any = (int, float) if field.type is float else field.type
            if not isinstance(value, wanted) or isinstance(value, bool):
                raise TypeError(f"{field.name} is {value!r}")
        return row


def write_history(path: str | Path, rows: Iterable[Row]) -> None:
    """Write all rows, with a checksum beside them; what was there stays as the file before."""
    cells = ({**asdict(row), "epoch": f"{row.epoch:g}"} for row in rows)
    write_checked(Path(path), table(columns(Row), cells))


def read_history(path: str | Path) -> list[Row]:
    """The rows of a history file, or, with a warning, of the one before it if it is damaged.

    Raises:
        RunError: no such file, both are damaged, or a line is none of a history; names it.
    """
    return read_table(intact(Path(path)), Row, "a history")
