"""Tables read back from CSV files: one line for each instance of a dataclass."""

import csv
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar, cast

from ..errors import RunError

T = TypeVar("T")


def columns(kind: Any) -> list[str]:
    """The columns of a table of instances of the dataclass `kind`: its fields."""
    return [field.name for field in fields(kind)]


def read_table(path: str | Path, kind: type[T], what: str) -> list[T]:
    """The rows of a file; floats come back to the bit.

    Args:
        path: the file.
        kind: a dataclass whose fields are int, float or str.
        what: the file is expected to be, for the error: "a history".

    Raises:
        RunError: no such file, or a line that is none of such a table; names it.
    """
    expected = columns(kind)
    readers: list[Any] = [field.type for field in fields(cast(Any, kind))]
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error
    if not lines or lines[0].split(",") != expected:
        raise RunError(f"{path} is not {what}: its first line must be {','.join(expected)}")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            (cells,) = csv.reader([line])
            if len(cells) != len(expected):
                raise ValueError(f"{len(cells)} cells, expected {len(expected)}")
            values = [read(cell) for read, cell in zip(readers, cells, strict=True)]
        except (ValueError, csv.Error) as error:
            raise RunError(f"{path}, line {number}: {error}") from error
        rows.append(kind(*values))
    return rows
