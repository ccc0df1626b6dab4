"""Checkpoints and weights of a run: safetensors files with a checksum inside."""

import reprlib
from pathlib import Path
from typing import Any

from ..backend import Array
from ..errors import DataError, RunError
from ..weights.safetensors_file import read_tensors, write_tensors
from .checksum import checkpoint_checksum

FORMAT = 2  # in a run's config.json too
_READ = (1, 2)  # checkpoints of format 1 have no checksum


def write_checkpoint(path: Path, tensors: dict[str, Array], metadata: dict[str, Any]) -> None:
    """Write a `training_state`; the old checkpoint stays as the previous one."""
    metadata = {"format": FORMAT, **metadata}
    checksum = checkpoint_checksum(tensors, metadata)
    write_tensors(path, tensors, {**metadata, "sha256": checksum}, keep_previous=True)


def read_checkpoint(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the state for `restore_training`.

    Raises:
        DataError: the file was cut short or altered.
        UnreadableError: the system does not let it be read.
        RunError: its format is not read by this version.
    """
    tensors, metadata = read_tensors(path)
    checksum = metadata.pop("sha256", None)
    if checksum is not None and checksum != checkpoint_checksum(tensors, metadata):
        raise DataError("its content does not have the checksum that it had when it was written")
    if type(metadata.get("format")) is not int:
        raise DataError(f"its format is {reprlib.repr(metadata.get('format'))}")
    check_format(metadata["format"], f"the checkpoint {path}")
    if checksum is None and metadata["format"] != 1:
        raise DataError("its checksum is missing")
    return tensors, metadata


def write_weights(path: Path, tensors: dict[str, Array]) -> None:
    """Write the weights of a model."""
    write_tensors(path, tensors, {"sha256": checkpoint_checksum(tensors, {})})


def undamaged_weights(path: Path) -> Path:
    """Return a path of weights whose numbers have their checksum; older files have none.

    Raises:
        DataError: the file was cut short or altered, or the system does not let it be read.
    """
    tensors, facts = read_tensors(path)
    if "sha256" in facts and facts["sha256"] != checkpoint_checksum(tensors, {}):
        raise DataError(
            f"{path} is damaged: its numbers do not have the checksum that they were written with"
        )
    return path


def check_format(found: Any, what: str) -> None:
    """Raise RunError if the format of `what` is not read; names it and those that are."""
    if found not in _READ:
        raise RunError(
            f"{what} has format {reprlib.repr(found)}; this minires reads formats "
            f"{' and '.join(map(str, _READ))}"
        )
