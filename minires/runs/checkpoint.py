"""The checkpoint of a training: a safetensors file with a checksum of all that is in it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import Array
from ..errors import DataError, expect
from ..weights.safetensors_file import read_tensors, write_tensors
from .formats import FORMAT, expect_format


def write_checkpoint(path: Path, tensors: dict[str, Array], facts: dict[str, Any]) -> None:
    """Write what `Trainer.state` gave; the checkpoint that was there stays as the previous one."""
    facts = {"format": FORMAT, **facts}
    write_tensors(path, tensors, {**facts, "sha256": _digest(tensors, facts)}, keep=True)


def read_checkpoint(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """What `Trainer.restore` takes.

    Raises:
        DataError: it was cut short or altered.
        RunError: it has a format that is not read.
    """
    tensors, facts = read_tensors(path)
    said = facts.pop("sha256", None)
    expect(
        said is None or said == _digest(tensors, facts),
        DataError,
        "its content is not what its checksum says",
    )
    found = facts.get("format")
    expect(found is not None, DataError, "it does not say its format")
    expect_format(found, f"the checkpoint {path}")
    expect(said is not None or found == 1, DataError, "it has no checksum")
    return tensors, facts


def _digest(tensors: dict[str, Array], facts: dict[str, Any]) -> str:
    """The SHA-256 of facts, names, types, shapes and numbers."""
    sha = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name, array in sorted(tensors.items()):
        sha.update(f"{name} {array.dtype.str} {array.shape}".encode())
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()
