"""Writing a file so that a reader finds the old one or the new one, never half of either."""

import csv
import io
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


def write_atomically(path: str | Path, content: bytes) -> None:
    """Put `content` at `path`: written beside it, flushed to the disk, then renamed over it.

    Raises:
        OSError: the disk is full or the folder cannot be written; `path` is as it was.
    """
    path = Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def table(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> bytes:
    """Rows by column as the content of a CSV file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
