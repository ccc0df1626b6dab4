"""history.csv, the history of a run: a row for each epoch of each training.

    history.csv           the file
    history.previous.csv  its content before it was last written
    history.csv.sha256    the checksums of both; `sha256sum --check` reads them too

The checksums are written first, so that they are right whenever the process is killed.
"""

import hashlib
import warnings
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from ..errors import DamageWarning, RunError
from ..files import previous, write_atomically
from ..train import Row
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
    return read_table(undamaged(Path(path)), Row, "a history")


def write_with_checksum(path: Path, content: bytes) -> None:
    """Write a file and its checksum; the old file stays as the previous one, unless damaged.

    Raises:
        OSError: the disk is full or the folder cannot be written; the file is as it was.
    """
    known, old = _known_checksums(path), _file_checksum(path)
    new = hashlib.sha256(content).hexdigest()
    damaged = known is not None and old not in known
    if old == new and known is not None and not damaged:
        return
    if old is not None and damaged:
        warnings.warn(f"{path} is damaged; it is written anew", DamageWarning, stacklevel=2)
    keep = old is not None and not damaged
    lines = [f"{new}  {path.name}\n", *([f"{old}  {previous(path).name}\n"] if keep else [])]
    write_atomically(_checksum_file(path), "".join(lines).encode())
    write_atomically(path, content, keep_previous=keep)


def undamaged(path: Path) -> Path:
    """Return the file, or, with a warning, the previous one if the file is damaged or missing.

    A file without checksums is not checked.

    Raises:
        RunError: both are damaged.
    """
    known = _known_checksums(path)
    if known is None or _file_checksum(path) in known:
        return path
    older = previous(path)
    if _file_checksum(older) not in known:
        raise RunError(
            f"{path} is damaged: its checksum is not in {_checksum_file(path).name}, and neither "
            f"is that of {older.name}; resuming the run writes it anew"
        )
    warnings.warn(f"{path} is damaged; {older.name} is used instead", DamageWarning, stacklevel=2)
    return older


def _checksum_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _known_checksums(path: Path) -> set[str] | None:
    """The checksums beside a file; None if there are none."""
    try:
        text = _checksum_file(path).read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    return {line.partition(" ")[0] for line in text.splitlines()}


def _file_checksum(path: Path) -> str | None:
    """The checksum of a file; None if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None
