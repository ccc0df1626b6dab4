"""Checksums, SHA-256: that of a checkpoint, which is inside it, and that of a file, beside it.

    history.csv           the file
    history.previous.csv  its content before it was last written
    history.csv.sha256    the checksums of both; `sha256sum --check` reads them too

The checksums are written first, so that they are right whenever the process is killed.
"""

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import Array
from ..errors import DamageWarning, DataError, RunError
from ..files import previous, read_file, write_atomically


def checkpoint_checksum(tensors: dict[str, Array], metadata: dict[str, Any]) -> str:
    """Return the checksum of a checkpoint: of its metadata, names, dtypes, shapes and numbers.

    Raises:
        DataError: the metadata is nested too deeply to have been written.
    """
    try:
        sha = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    except RecursionError as error:
        raise DataError("its facts are nested too deeply") from error
    for name, array in sorted(tensors.items()):
        sha.update(f"{name} {array.dtype.str} {array.shape}".encode())
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()


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
        RunError: both are damaged, or a file cannot be read.
    """
    older = previous(path)
    try:
        known = _known_checksums(path)
        if known is None or _file_checksum(path) in known:
            return path
        both = _file_checksum(older) not in known
    except OSError as error:
        raise RunError(
            f"{error.filename or path} cannot be read: {error.strerror or error}"
        ) from error
    if both:
        raise RunError(
            f"{path} is damaged: its checksum is not in {_checksum_file(path).name}, and neither "
            f"is that of {older.name}; remove both, and resuming the run writes it anew"
        )
    warnings.warn(f"{path} is damaged; {older.name} is used instead", DamageWarning, stacklevel=2)
    return older


def _checksum_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _known_checksums(path: Path) -> set[str] | None:
    """The checksums beside a file; None if there are none; raises OSError as `read_file`."""
    try:
        text = read_file(_checksum_file(path)).decode("ascii", errors="replace")
    except FileNotFoundError:
        return None
    return {line.partition(" ")[0] for line in text.splitlines()}


def _file_checksum(path: Path) -> str | None:
    """The checksum of a file; None if there is none; raises OSError as `read_file`."""
    try:
        return hashlib.sha256(read_file(path)).hexdigest()
    except FileNotFoundError:
        return None
