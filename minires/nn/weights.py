"""Weights to and from safetensors files: a format that holds arrays and nothing else."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ..backend import Array
from ..errors import DataError
from ..files import write_atomically
from .module import Module


def save_weights(model: Module, path: str | Path) -> None:
    """Write all parameters and buffers of `model`; an existing file is replaced as a whole."""
    write_tensors(path, model.state_dict())


def load_weights(model: Module, path: str | Path, strict: bool = True) -> list[str]:
    """Read parameters and buffers of `model`; arguments and result as `load_state_dict`.

    Raises:
        DataError: no such file, or not a whole safetensors file.
        StateDictError: names or shapes do not match, and `strict`.
    """
    tensors, _ = read_tensors(path)
    return model.load_state_dict(tensors, strict)


def write_tensors(
    path: str | Path, tensors: dict[str, Array], facts: dict[str, Any] | None = None
) -> None:
    """Write arrays by name, with `facts` (anything JSON can hold) beside them."""
    metadata = None if facts is None else {"minires": json.dumps(facts)}
    # The library writes memory as it lies, whatever the order of the dimensions in it.
    in_order = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    write_atomically(path, save(in_order, metadata))


def read_tensors(path: str | Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """What `write_tensors` wrote: the arrays by name, and the facts ({} if there are none).

    Raises:
        DataError: no such file, or not a whole safetensors file.
    """
    if not Path(path).is_file():
        raise DataError(f"there is no weights file {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            facts = json.loads((file.metadata() or {}).get("minires", "{}"))
    except (SafetensorError, ValueError, KeyError, TypeError, OSError) as error:
        raise DataError(
            f"{path} is not a whole safetensors file ({error}); it may be cut short or altered"
        ) from error
    return tensors, facts
