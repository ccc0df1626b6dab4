"""Weights to and from files: safetensors, and PyTorch's own. None of them can run code."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from ..errors import DataError, StateDictError
from ..nn import LoadReport, Module
from . import pth, safetensors_file
from .safetensors_file import write_tensors
from .stored import Stored


def save_weights(model: Module, path: str | Path) -> None:
    """Write all parameters and buffers of `model` as safetensors.

    An existing file is replaced as a whole.
    """
    write_tensors(path, model.state_dict())


def load_weights(
    model: Module, path: str | Path, strict: bool = True, rename: Mapping[str, str] | None = None
) -> LoadReport:
    """Read the parameters and buffers of `model`, tensor by tensor into its own arrays.

    The format is found from the content: safetensors, or the zip file of PyTorch's `torch.save`,
    of which tensors are read and nothing is run.

    Args:
        model: takes the weights, in its own dtype.
        path: the file.
        strict: raise where names or shapes differ from the model's, before anything is copied;
            otherwise copy what matches, such as all but a last layer of another size.
        rename: prefixes of names and their replacements, applied one after the other:
            {"module.": "", "classifier.": "fc."}.

    Returns:
        What was not copied; its notices name entries of the file that are no tensors.

    Raises:
        DataError: there is no such file; it is cut short or altered; or it asks for anything but
            tensors.
        StateDictError: names or shapes differ, and `strict`.
    """
    tensors, passed_over = stored_tensors(path)
    tensors = renamed(tensors, rename or {}, path)
    hints = _prefix_hints(tensors, [name for name, _ in model.named_tensors()])
    try:
        report = model.load_state_dict(tensors, strict)
    except StateDictError as error:
        raise StateDictError("; ".join([f"{path}: {error}", *hints])) from None
    return replace(report, notices=(*hints, *passed_over))


def stored_tensors(path: str | Path) -> tuple[dict[str, Stored], list[str]]:
    """Return the tensors of a file by name, not read yet, and sentences about other entries.

    Raises:
        DataError: as for `load_weights`.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"there is no weights file {path}")
    try:
        with open(path, "rb") as file:
            start = file.read(9)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    passed_over: list[str] = []
    if start[8:] == b"{":  # JSON, after eight bytes that may be anything, its length
        tensors, _ = safetensors_file.stored_tensors(path)
    elif start.startswith(b"PK"):  # a zip file
        tensors, passed_over = pth.stored_tensors(path)
    elif start.startswith(b"\x80"):  # a pickle
        raise DataError(
            f"{path} is a bare pickle, as PyTorch wrote them before version 1.6; only its zip "
            "files are read. PyTorch makes one of it by torch.save(torch.load(path), path)"
        )
    else:
        raise DataError(
            f"{path} is not a whole safetensors file, nor a zip file of torch.save; "
            "it may be cut short, or something else"
        )
    strange = next((name for name in tensors if not name.isprintable()), None)
    if strange is not None:
        raise DataError(f"{path} has a tensor with the name {strange!r:.100}")
    return tensors, passed_over


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


def _prefix_hints(given: Iterable[str], own: Iterable[str]) -> list[str]:
    """Return a hint if names would be the model's without the prefix that all of them have."""
    given = list(given)
    prefix = given[0].partition(".")[0] + "." if given else ""
    others = {name.removeprefix(prefix) for name in given}
    if not (prefix and all(map(str.startswith, given, [prefix] * len(given))) and others & {*own}):
        return []
    return [
        f'all names in the file begin with "{prefix}", which rename={{"{prefix}": ""}} takes off, '
        f"as does minires convert --rename {prefix}="
    ]
