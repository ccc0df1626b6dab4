"""The history of a run: one row an epoch and net, as a CSV file."""

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..errors import RunError
from ..files import table, write_atomically


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


COLUMNS = [field.name for field in fields(Row)]
_READERS: list[Any] = [field.type for field in fields(Row)]  # int, str or float of a cell


def write_history(path: str | Path, rows: Iterable[Row]) -> None:
    """Write all rows; an existing file is replaced as a whole."""
    cells = ({**asdict(row), "epoch": f"{row.epoch:g}"} for row in rows)
    write_atomically(path, table(COLUMNS, cells))


def read_history(path: str | Path) -> list[Row]:
    """The rows of a history file.

    Raises:
        RunError: no such file, or a line that is none of a history; names it.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error
    if not lines or lines[0].split(",") != COLUMNS:
        raise RunError(f"{path} is not a history: its first line must be {','.join(COLUMNS)}")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            (cells,) = csv.reader([line])
            if len(cells) != len(COLUMNS):
                raise ValueError(f"{len(cells)} cells, expected {len(COLUMNS)}")
            values = [read(cell) for read, cell in zip(_READERS, cells, strict=True)]
        except (ValueError, csv.Error) as error:
            raise RunError(f"{path}, line {number}: {error}") from error
        rows.append(Row(*values))
    return rows
