"""The checkpoint of a training: a safetensors file with the checksum of its content."""

from pathlib import Path
from typing import Any

from ..backend import Array
from ..errors import DataError
from ..weights.safetensors_file import read_tensors, write_tensors
from .checksum import check_checkpoint, checkpoint_checksum
from .formats import FORMAT, check_format


def write_checkpoint(path: Path, tensors: dict[str, Array], metadata: dict[str, Any]) -> None:
    """Write a `training_state`; the old checkpoint stays as the previous one."""
    metadata = {"format": FORMAT, **metadata}
    checksum = checkpoint_checksum(tensors, metadata)
    write_tensors(path, tensors, {**metadata, "sha256": checksum}, keep_previous=True)


def read_checkpoint(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the state for `restore_training`.

    Raises:
        DataError: the file was cut short or altered.
        RunError: its format is not read by this version.
    """
    tensors, metadata = read_tensors(path)
    checksum = metadata.pop("sha256", None)
    if checksum is not None:
        check_checkpoint(tensors, metadata, checksum)
    if metadata.get("format") is None:
        raise DataError("its format is missing")
    check_format(metadata["format"], f"the checkpoint {path}")
    if checksum is None and metadata["format"] != 1:
        raise DataError("its checksum is missing")
    return tensors, metadata
