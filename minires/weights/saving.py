"""Arrays to a safetensors file and back: a state dict, or several in a dictionary of a training."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .. import arguments
from ..arguments import shown
from ..backend import is_array, to_numpy
from ..errors import DataError, UsageError
from ..nn import Module
from .loading import expect_model, stored_content
from .safetensors_file import write_tensors


def save_weights(model: Module, path: str | Path) -> None:
    """Write all parameters and buffers of `model` as safetensors.

    An existing file is replaced as a whole.

    Raises:
        UsageError: `model` is no model, or `path` no path.
        DataError: the file cannot be written.
    """
    expect_model(model)
    save(model.state_dict(), path)


def save(state_dict: Mapping[str, Any], path: str | Path) -> None:
    """Write arrays by name, such as `model.state_dict()`, as safetensors.

        save({"model": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}, path)

    Dictionaries may be in it, and beside arrays what JSON can hold: numbers, text, lists of them.
    An array in a dictionary is "model.conv1.weight" in the file. An existing file is replaced as
    a whole.

    Raises:
        UsageError: `state_dict` is something else, or `path` no path.
        DataError: the file cannot be written.
    """
    path = arguments.path(path, "path")
    entries = list(_entries(state_dict))
    arrays = {".".join(keys): to_numpy(value) for keys, value in entries if is_array(value)}
    others = [(keys, value) for keys, value in entries if not is_array(value)]
    if others and not arrays:
        raise _unexpected(state_dict)
    if len(arrays) + len(others) < len(entries):
        raise UsageError("two arrays have the same name in the file, such as a.b beside b in a")
    nested = others or any(len(keys) > 1 for keys, _ in entries)
    content = [[keys] if is_array(value) else [keys, value] for keys, value in entries]
    try:
        write_tensors(path, arrays, {"content": content} if nested else None)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from error


def load(path: str | Path) -> dict[str, Any]:
    """Return the arrays of a file by name, for `model.load_state_dict`, as `save` was given them.

        saved = load(path)
        net.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])

    The file is safetensors or one of PyTorch's `torch.save`, of which the model's tensors are
    returned, as `load_weights` finds them; that one reads tensor by tensor into the model's own
    arrays instead.

    Raises:
        DataError, UsageError: as for `load_weights`.
    """
    path = arguments.path(path, "path")
    tensors, _, facts = stored_content(path)
    arrays = {name: np.asarray(tensor) for name, tensor in tensors.items()}
    if "content" not in facts:
        return arrays
    content: dict[str, Any] = {}
    try:
        for keys, *value in facts["content"]:
            place = content
            for key in keys[:-1]:
                place = place.setdefault(key, {})
            place[keys[-1]] = value[0] if value else arrays[".".join(keys)]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path} was altered: it has other arrays than it lists") from error
    return content


def _entries(content: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield what is in dictionaries within dictionaries, each with the keys that lead to it.

    Raises:
        UsageError: a key is no text, or a value neither an array nor what JSON can hold.
    """
    if not isinstance(content, Mapping) or not all(isinstance(key, str) for key in content):
        raise _unexpected(content)
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            yield from _entries(value, (*keys, key))
            continue
        value = value.item() if isinstance(value, np.generic) else value
        if not is_array(value) and not _is_plain(value):
            raise _unexpected(content)
        yield (*keys, key), value


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _unexpected(given: Any) -> UsageError:
    return UsageError(
        f"save takes arrays by name, such as model.state_dict(), got {shown(given)}; dictionaries "
        "of such may be in one, with numbers, text and lists of them beside the arrays"
    )
