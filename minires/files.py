"""Writing a file so that a reader finds the old one or the new one, never half of either."""

import csv
import io
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

_PARTIAL = ".partial"


def write_atomically(path: str | Path, content: bytes, keep: bool = False) -> None:
    """Put `content` at `path`: written beside it, flushed to the disk, then renamed over it.

    Args:
        path: the file.
        content: all of it.
        keep: the file that was there stays, as `previous(path)`; a process that is killed at the
            worst of moments leaves that one alone.

    Raises:
        OSError: the disk is full or the folder cannot be written; `path` is as it was.
    """
    path = Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_PARTIAL)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        if keep and path.exists():
            os.replace(path, previous(path))
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def previous(path: Path) -> Path:
    """Where the file is that was at `path` before: run/a.csv -> run/a.previous.csv."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def remove_partial(folder: Path) -> None:
    """Remove what processes left that were killed while they wrote into `folder`."""
    for path in folder.glob(f".*{_PARTIAL}"):
        path.unlink()


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
