"""Tables as CSV files: one line for each instance of a dataclass of numbers and words."""

import csv
import io
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from ..errors import RunError

T = TypeVar("T")


def table(kind: type, rows: Iterable[dict[str, Any]]) -> bytes:
    """The content of a file with these rows, and the fields of `kind` as columns."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _columns(kind), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def read_table(path: str | Path, kind: type[T], what: str) -> list[T]:
    """The rows of a file; floats come back to the bit.

    Args:
        path: the file.
        kind: a dataclass whose fields are int, float or str.
        what: the file is expected to be, for the error: "a history".

    Raises:
        RunError: no such file, or a line that is none of such a table; names it.
    """
    columns, readers = list(_columns(kind)), _columns(kind).values()
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error
    if not lines or lines[0].split(",") != columns:
        raise RunError(f"{path} is not {what}: its first line must be {','.join(columns)}")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            (cells,) = csv.reader([line])
            if len(cells) != len(columns):
                raise ValueError(f"{len(cells)} cells, expected {len(columns)}")
            values = [read(cell) for read, cell in zip(readers, cells, strict=True)]
        except (ValueError, csv.Error) as error:
            raise RunError(f"{path}, line {number}: {error}") from error
        rows.append(kind(*values))
    return rows


def _columns(kind: Any) -> dict[str, Any]:
    """The names of the fields, and their types, which read a cell."""
    return {field.name: field.type for field in fields(kind)}
