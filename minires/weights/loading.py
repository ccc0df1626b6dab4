"""Weights from files: safetensors, and PyTorch's own. None of them can run code."""

from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import arguments
from ..arguments import shown
from ..errors import DataError, StateDictError, UsageError
from ..files import mistaken
from ..nn import LoadReport, Module
from . import pth, safetensors_file
from .state_dicts import listed
from .stored import Stored

_LONGEST_NAME = 500  # of a tensor
_MOST_PREFIXES = 4  # parts of a name that may be before the model's own


def expect_model(model: Module) -> None:
    """Raise UsageError if this is no model."""
    if not isinstance(model, Module):
        raise UsageError(f"weights are those of a model, got {shown(model)}")


def load_weights(
    model: Module,
    path: str | Path,
    strict: bool = True,
    rename: Mapping[str, str] | None = None,
    key: str | None = None,
) -> LoadReport:
    """Read the parameters and buffers of `model`, tensor by tensor into its own arrays.

    The format is found from the content: safetensors, or the zip file of PyTorch's `torch.save`,
    of which tensors are read and nothing is run. A state dict within a training checkpoint is
    found, and a beginning that the names of the model's tensors have there, such as "module." or
    "model._orig_mod.", is taken off; tensors without it, such as a loss's, are then left out.

    Args:
        model: takes the weights, in its own dtype.
        path: the file.
        strict: raise where names or shapes differ from the model's, before anything is copied;
            otherwise copy what matches, such as all but a last layer of another size.
        rename: prefixes of names and their replacements, applied one after the other:
            {"module.": "", "classifier.": "fc."}.
        key: where in a file of `torch.save` the tensors are, such as "state_dict_ema" or
            "checkpoint.net"; without, they are found.

    Returns:
        What was not copied; its notices say where the tensors were, and what is no tensor.

    Raises:
        DataError: there is no such file; it is cut short or altered; or it asks for anything but
            tensors.
        StateDictError: names or shapes differ, and `strict`.
        UsageError: there are no tensors under `key`, or there are several state dicts and no `key`.
    """
    expect_model(model)
    path = arguments.path(path, "path")
    rename = {} if rename is None else rename
    if not isinstance(rename, Mapping):
        raise UsageError(f"rename must be prefixes and their replacements, got {shown(rename)}")
    tensors, notices = stored_tensors(path, key)
    tensors = renamed(tensors, rename, path)
    tensors, more = without_prefix(tensors, {name for name, _ in model.named_tensors()})
    notices += more
    try:
        report = model.load_state_dict(tensors, strict)
    except StateDictError as error:
        raise StateDictError("; ".join([f"{path}: {error}", *notices])) from None
    return replace(report, notices=tuple(notices))


def stored_tensors(path: str | Path, key: str | None = None) -> tuple[dict[str, Stored], list[str]]:
    """Return the tensors of a file by name, not read yet, and sentences about other entries.

    Raises:
        DataError, UsageError: as for `load_weights`.
    """
    tensors, passed_over, _ = stored_content(path, key)
    return tensors, passed_over


def stored_content(
    path: str | Path, key: str | None = None
) -> tuple[dict[str, Stored], list[str], dict[str, Any]]:
    """Return what `stored_tensors` does, and the facts beside them in a safetensors file.

    Raises:
        DataError, UsageError: as for `load_weights`.
    """
    if not isinstance(key, str | None):
        raise UsageError(f"key must be text or None, got a {type(key).__name__}")
    path = Path(path)
    try:
        if not path.is_file():
            raise DataError(f"there is no weights file {path}")
        with open(path, "rb") as file:
            start = file.read(100)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    passed_over: list[str] = []
    facts: dict[str, Any] = {}
    if start[8:9] == b"{" and 0 in start[:8]:  # JSON, after its length in eight bytes
        if key is not None:
            raise UsageError(f"{path} is a safetensors file, which has no {key!r} to look under")
        tensors, facts = safetensors_file.stored_tensors(path)
    elif start.startswith(b"PK"):  # a zip file
        tensors, passed_over = pth.stored_tensors(path, key)
    else:
        raise DataError(_no_weights(path, start))
    strange = next((n for n in tensors if not n.isprintable() or len(n) > _LONGEST_NAME), None)
    if strange is not None:
        raise DataError(f"{path} has a tensor with the name {strange[:100]!r}")
    return tensors, passed_over, facts


def _no_weights(path: Path, start: bytes) -> str:
    """Return what is wrong with a file that begins so."""
    if start.startswith(b"\x80"):  # a pickle
        return (
            f"{path} is a bare pickle, as PyTorch wrote them before version 1.6; only its zip "
            "files are read. PyTorch makes one of it by "
            'torch.save(torch.load(path, map_location="cpu"), path)'
        )
    if what := mistaken(start):
        return f"{path} is no file of weights: it is {what}"
    return (
        f"{path} is not a whole safetensors file, nor a zip file of torch.save; "
        "it may be cut short, or something else"
    )


def renamed(
    tensors: Mapping[str, Stored], rename: Mapping[str, str], path: str | Path
) -> dict[str, Stored]:
    """Return tensors by their new names; `rename` as for `load_weights`.

    Raises:
        DataError: two of them would get the same name; names the file.
    """
    found: dict[str, Stored] = {}
    for old, tensor in tensors.items():
        name = old
        for prefix, replacement in rename.items():
            if name.startswith(prefix):
                name = replacement + name.removeprefix(prefix)
        if name in found:
            raise DataError(f"{path}: two tensors would be named {name!r}")
        found[name] = tensor
    return found


def without_prefix(
    tensors: Mapping[str, Stored], own: Set[str]
) -> tuple[dict[str, Stored], list[str]]:
    """Return tensors without the beginning that their names have before those of a model.

    Args:
        tensors: by name.
        own: the names of the model.

    Returns:
        The tensors of the beginning with which most of the model's names are there, at least half
        of them; all tensors if that is none. And a sentence if they have one.
    """
    fitting: Counter[str] = Counter()
    for name in tensors:
        parts = name.split(".", _MOST_PREFIXES)
        for i in range(len(parts)):
            if ".".join(parts[i:]) in own:
                fitting["".join(f"{part}." for part in parts[:i])] += 1
    most = max(fitting.values(), default=0)
    best = [prefix for prefix, count in fitting.items() if count == most]
    if "" in best or 2 * most < len(own):
        return dict(tensors), []
    if len(best) > 1:
        return dict(tensors), [
            f"names fit after each of {', '.join(map(repr, best[:5]))}: say which one is to be "
            f'taken off, as rename={{"{best[0]}": ""}} or minires convert --rename {best[0]}= does'
        ]
    (prefix,) = best
    beside = [name for name in tensors if not name.startswith(prefix)]
    said = f"; {listed(beside)} beside them: passed over" if beside else ""
    found = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
    return found, [f"the tensors are those whose names begin with {prefix!r}{said}"]


def first_and_last(tensors: Mapping[str, Stored]) -> tuple[int | None, int | None]:
    """Return how many channels a net's first layer takes, and how many classes its last one gives.

    Args:
        tensors: by the names of minires' nets, with or without something before them.

    Returns:
        Both numbers; None for a layer that is not there, or is empty.
    """

    def shape(layer: str) -> tuple[int, ...]:
        names = [name for name in tensors if f".{name}".endswith(f".{layer}")]
        found = tensors[min(names, key=len)] if names else None  # layer1.0.conv1 is longer
        return found.shape if found and found.extent else ()

    first, last = shape("conv1.weight"), shape("fc.weight")
    return first[1] if len(first) == 4 else None, last[0] if len(last) == 2 else None
