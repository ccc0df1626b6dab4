"""A file with its checksum beside it, and the one before it: damage is found, and gone around.

    history.csv           the file
    history.previous.csv  what it was before it was last written
    history.csv.sha256    the checksums of both; `sha256sum --check` reads them too

The checksums are written first, so that they know the file on the disk whenever a kill comes.
"""

import hashlib
import warnings
from pathlib import Path

from ..errors import DamageWarning, RunError
from ..files import previous, write_atomically


def write_checked(path: Path, content: bytes) -> None:
    """Write a file with its checksum; what was there stays as the previous one, if it is whole.

    Raises:
        OSError: the disk is full or the folder cannot be written; the file is as it was.
    """
    known, old, new = _known(path), _digest(path), hashlib.sha256(content).hexdigest()
    whole = known is None or old in known
    if old == new and known is not None and whole:
        return
    if old is not None and not whole:
        warnings.warn(f"{path} is damaged; it is written anew", DamageWarning, stacklevel=2)
    keep = old is not None and whole
    lines = [f"{new}  {path.name}\n", *([f"{old}  {previous(path).name}\n"] if keep else [])]
    write_atomically(_beside(path), "".join(lines).encode())
    write_atomically(path, content, keep)


def intact(path: Path) -> Path:
    """The file, or, with a warning, the one before it where it is damaged or missing.

    A file without checksums is taken as it is.

    Raises:
        RunError: both are damaged.
    """
    known = _known(path)
    if known is None or _digest(path) in known:
        return path
    older = previous(path)
    if _digest(older) not in known:
        raise RunError(
            f"{path} is damaged: its content is not what {_beside(path).name} says, and there is "
            "no whole one from before; going on with the run writes it anew"
        )
    warnings.warn(f"{path} is damaged; {older.name} is used instead", DamageWarning, stacklevel=2)
    return older


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _known(path: Path) -> set[str] | None:
    """The checksums beside a file; None if there are none."""
    try:
        lines = _beside(path).read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    return {line.partition(" ")[0] for line in lines}


def _digest(path: Path) -> str | None:
    """The SHA-256 of a file; None if there is none that can be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None
