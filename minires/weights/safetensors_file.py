"""Safetensors files: a header of names, types and offsets, then the numbers, and nothing else."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ..backend import Array
from ..errors import DataError, UnreadableError
from ..files import brief, write_atomically
from .stored import BFLOAT16, MOST_DIMENSIONS, Stored

# Bytes of a header, where a checkpoint has its history too: a tensor takes about 80, an epoch 150.
_LARGEST_HEADER = 16_000_000

_ELEMENTS: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": BFLOAT16,
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}

# What reading a file that was cut short or altered can raise.
_DAMAGED = (SafetensorError, ValueError, LookupError, TypeError, RecursionError)


def write_tensors(
    path: str | Path,
    tensors: dict[str, Array],
    facts: dict[str, Any] | None = None,
    keep_previous: bool = False,
) -> None:
    """Write arrays by name, with `facts` (anything JSON can hold) beside them.

    `keep_previous` is that of `write_atomically`.
    """
    metadata = None if facts is None else {"minires": json.dumps(facts)}
    # The library writes memory as it lies, whatever the order of the dimensions in it.
    as_rows = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    write_atomically(path, save(as_rows, metadata), keep_previous)


def read_tensors(path: str | Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return what `write_tensors` wrote: arrays by name, and the facts ({} if there are none).

    Raises:
        DataError: no such file, or not a whole safetensors file.
        UnreadableError: the system does not let it be read.
    """
    try:
        if not Path(path).is_file():
            raise DataError(f"there is no weights file {path}")
    except OSError as error:  # as of a folder that this user may not look into
        raise UnreadableError(f"{path} cannot be read: {error.strerror or error}") from error
    tensors, facts = stored_tensors(Path(path))
    return {name: np.asarray(tensor) for name, tensor in tensors.items()}, facts


def stored_tensors(path: Path) -> tuple[dict[str, Stored], dict[str, Any]]:
    """Return the tensors of a file by name, not read yet, and the facts beside them.

    The library compares the header with the file. The numbers are then read at the offsets of the
    header, and not through the library's memory map, whose pages would count as memory too.

    Raises:
        DataError: not a whole safetensors file, or one with a type that is not read.
        UnreadableError: the system does not let it be read.
    """
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > _LARGEST_HEADER:  # the library takes any
                raise ValueError(f"a header of {length:,} bytes, over {_LARGEST_HEADER:,}")
            with safe_open(path, framework="numpy"):
                header, beginning = json.loads(file.read(length)), 8 + length
        facts = json.loads(header.pop("__metadata__", {}).get("minires", "{}"))
        if not isinstance(facts, dict):
            raise TypeError("its facts are no object")
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror or error}") from error
    except _DAMAGED as error:
        raise DataError(
            f"{path} is not a whole safetensors file ({brief(error)}); it may be cut short or "
            "altered"
        ) from error
    tensors = {}
    for name, entry in header.items():
        kind, shape, offsets = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        if kind not in _ELEMENTS:
            raise DataError(
                f"{path} has {name[:60]!r} of type {kind}; what is read is {', '.join(_ELEMENTS)}"
            )
        if len(shape) > MOST_DIMENSIONS:
            raise DataError(
                f"{path} has {name[:60]!r} of {len(shape)} dimensions, over {MOST_DIMENSIONS}"
            )
        strides = tuple(math.prod(shape[i:]) for i in range(1, len(shape) + 1))  # C order
        tensors[name] = Stored(path, beginning + offsets[0], _ELEMENTS[kind], shape, strides)
    return tensors, facts
