"""The checkpoint of a training: a safetensors file with its format and a checksum inside."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import Array
from ..errors import DataError, RunError
from ..weights.safetensors_file import read_tensors, write_tensors

FORMAT = 2  # in a run's config.json too
_READ = (1, 2)  # checkpoints of format 1 have no checksum


def write_checkpoint(path: Path, tensors: dict[str, Array], metadata: dict[str, Any]) -> None:
    """Write a `training_state`; the old checkpoint stays as the previous one."""
    metadata = {"format": FORMAT, **metadata}
    checksum = _checksum(tensors, metadata)
    write_tensors(path, tensors, {**metadata, "sha256": checksum}, keep_previous=True)


def read_checkpoint(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the state for `restore_training`.

    Raises:
        DataError: the file was cut short or altered.
        RunError: its format is not read by this version.
    """
    tensors, metadata = read_tensors(path)
    checksum = metadata.pop("sha256", None)
    if checksum is not None and checksum != _checksum(tensors, metadata):
        raise DataError("its content does not have the checksum that it had when it was written")
    if metadata.get("format") is None:
        raise DataError("its format is missing")
    check_format(metadata["format"], f"the checkpoint {path}")
    if checksum is None and metadata["format"] != 1:
        raise DataError("its checksum is missing")
    return tensors, metadata


def check_format(found: Any, what: str) -> None:
    """Raise RunError if the format of `what` is not read; names it and those that are."""
    if found not in _READ:
        raise RunError(
            f"{what} has format {found!r:.60}; this minires reads formats "
            f"{' and '.join(map(str, _READ))}"
        )


def _checksum(tensors: dict[str, Array], metadata: dict[str, Any]) -> str:
    """Return the SHA-256 of metadata, names, dtypes, shapes and numbers."""
    sha = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name, array in sorted(tensors.items()):
        sha.update(f"{name} {array.dtype.str} {array.shape}".encode())
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()
