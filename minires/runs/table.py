"""Tables as CSV files, read back as instances of a dataclass."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar, cast

from ..errors import RunError
from ..files import brief, read_file
from ..text import csv_text

T = TypeVar("T")


def columns(row_class: Any) -> list[str]:
    """Return the columns of a table whose rows are instances of a dataclass: its fields."""
    return [field.name for field in fields(row_class)]


def table(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> bytes:
    """Return the content of a CSV file, UTF-8.

    Args:
        columns: its first line.
        rows: a value for each column; see `csv_text` for what becomes of texts.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: csv_text(v) if isinstance(v, str) else v for k, v in row.items()})
    return text.getvalue().encode()


def read_table(
    path: str | Path, row_class: type[T], what: str, check: Callable[[T], None] = lambda row: None
) -> list[T]:
    """Return the rows of a CSV file; floats come back to the bit.

    Args:
        path: the file.
        row_class: a dataclass whose fields are int, float or str.
        what: the kind of file expected, for the error: "a history".
        check: raises ValueError or TypeError for a row that cannot be one.

    Raises:
        RunError: there is no such file, or a line is not a row of such a table; names it.
    """
    expected = columns(row_class)
    parsers: list[Any] = [field.type for field in fields(cast(Any, row_class))]
    try:
        lines = read_file(path).decode().splitlines()
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
            values = [parse(cell) for parse, cell in zip(parsers, cells, strict=True)]
            row = row_class(*values)
            check(row)
        except (ValueError, TypeError, csv.Error) as error:
            raise RunError(f"{path}, line {number}: {brief(error)}") from error
        rows.append(row)
    return rows
