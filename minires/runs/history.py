"""history.csv, the history of a run: a row for each epoch of each training."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from ..train import Row
from .checksum import undamaged, write_with_checksum
from .table import columns, read_table, table


def write_history(path: str | Path, rows: Iterable[Row]) -> None:
    """Write all rows, with a checksum beside them; the old file stays as the previous one."""
    cells = ({**asdict(row), "epoch": f"{row.epoch:g}"} for row in rows)
    write_with_checksum(Path(path), table(columns(Row), cells))


def read_history(path: str | Path) -> list[Row]:
    """Return the rows of a history; if it is damaged, warn and return those of the previous one.

    Raises:
        RunError: there is no such file, both are damaged, or a line is not a row; names it.
    """
    return read_table(undamaged(Path(path)), Row, "a history", Row.check)
