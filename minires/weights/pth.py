"""Reading tensors of PyTorch's `.pth` and `.pt` files, without PyTorch and without running code.

`torch.save` writes a zip file (see `torch_zip`) with a pickle of dicts, numbers, strings, and
tensors. Each tensor is a call that names its storage, offset, sizes and strides:

    torch._utils._rebuild_tensor_v2(STORAGE, OFFSET, (SIZE, ...), (STRIDE, ...), ...)

where STORAGE is the persistent id ("storage", torch.FloatStorage, KEY, DEVICE, COUNT). The pickle
is read by a machine that can run nothing (see `pickled`), and the description of each tensor is
compared with its storage before a number is read.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from .pickled import PickleMachine
from .stored import BFLOAT16, Stored
from .torch_zip import TorchZip

_ELEMENTS = {
    "torch.DoubleStorage": np.dtype("<f8"),
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.HalfStorage": np.dtype("<f2"),
    "torch.BFloat16Storage": BFLOAT16,
    "torch.LongStorage": np.dtype("<i8"),
    "torch.IntStorage": np.dtype("<i4"),
    "torch.ShortStorage": np.dtype("<i2"),
    "torch.CharStorage": np.dtype("i1"),
    "torch.ByteStorage": np.dtype("u1"),
    "torch.BoolStorage": np.dtype("?"),
}

# Keys of the tensors in files that training scripts write, with the epoch and the optimizer.
_KEYS = ("state_dict", "model_state_dict", "model")

_MOST_DIMENSIONS = 32
_BOUND = 2**48  # of a stride, and of all sizes together: no file is so large
# Several tensors may lie in one storage, but not so that all of them are much more than the file.
_MOST_TIMES_THE_FILE = 4


@dataclass(frozen=True)
class _Storage:
    """The numbers that tensors are views of: their type, first byte in the file, and count."""

    element: np.dtype[Any]
    offset: int
    count: int


def stored_tensors(path: Path) -> tuple[dict[str, Stored], list[str]]:
    """Return the tensors of a file of `torch.save` by name, and sentences about other entries.

    The file holds a state dict, or a dict with one under "state_dict", "model_state_dict" or
    "model". Numbers and strings beside tensors are passed over.

    Raises:
        DataError: as for `TorchZip.open` and `PickleMachine.run`; a tensor does not lie within its
            storage; there is no tensor.
    """
    with TorchZip.open(path) as archive:
        lent = _Lent(path, archive)
        content = PickleMachine(path, lent.names, lent.storage).run(archive.content("data.pkl"))
        tensors, passed_over = _state_dict(path, content)
        spanned = sum(tensor.nbytes for tensor in tensors.values())
        if spanned > _MOST_TIMES_THE_FILE * archive.size:
            raise DataError(
                f"{path} has {archive.size} bytes, but its tensors together span {spanned} of them"
            )
        return tensors, passed_over


class _Lent:
    """The names that the pickle of a file may use and call."""

    def __init__(self, path: Path, archive: TorchZip) -> None:
        self.path = path
        self.archive = archive
        self.names = {
            **_ELEMENTS,
            "collections.OrderedDict": _empty_dict,
            "torch._utils._rebuild_tensor_v2": self.tensor,
            "torch._utils._rebuild_parameter": self.parameter,
        }

    def storage(self, identity: Any) -> _Storage:
        """Return the storage of a persistent id."""
        match identity:
            case ("storage", np.dtype() as element, str(key), str(), int(count)):
                offset, size = self.archive.locate(f"data/{key}")
            case _:
                raise DataError(f"{self.path} refers to something that is no storage of a tensor")
        if count * element.itemsize != size:
            raise DataError(
                f"{self.path} says that storage {key} has {count} numbers of {element.itemsize} "
                f"bytes; its member has {size} bytes"
            )
        return _Storage(element, offset, count)

    def tensor(
        self,
        storage: Any,
        offset: Any,
        shape: Any,
        strides: Any,
        requires_grad: Any,
        hooks: Any,
        metadata: Any = None,
    ) -> Stored:
        """Return a view of a storage; raise DataError if it exceeds the storage."""
        if not (
            isinstance(storage, _Storage)
            and all(type(n) is int and 0 <= n < _BOUND for n in (offset, *shape, *strides))
            and len(shape) == len(strides) <= _MOST_DIMENSIONS
            and math.prod(n or 1 for n in shape) < _BOUND
            and not metadata
        ):
            raise DataError(
                f"{self.path} describes a tensor that is none: offset, sizes and strides must be "
                "integers of at least 0, one size and stride a dimension"
            )
        item = storage.element.itemsize
        tensor = Stored(
            self.path, storage.offset + item * offset, storage.element, tuple(shape), tuple(strides)
        )
        if not (math.prod(shape) <= tensor.extent <= storage.count - offset):
            raise DataError(
                f"{self.path} has a tensor of shape {tuple(shape)}, strides {tuple(strides)} and "
                f"offset {offset}, which is no part of its storage of {storage.count} numbers"
            )
        return tensor

    def parameter(self, tensor: Any, requires_grad: Any, hooks: Any) -> Stored:
        """Return the tensor of a parameter."""
        if not isinstance(tensor, Stored):
            raise DataError(f"{self.path} has a parameter that is no tensor")
        return tensor


def _empty_dict() -> dict[Any, Any]:
    """Return an OrderedDict as a pickle begins it; `dict` would take, and hash, arguments."""
    return {}


def _state_dict(path: Path, content: Any) -> tuple[dict[str, Stored], list[str]]:
    """Return the tensors by name, and sentences about the entries that are ignored."""
    if not isinstance(content, dict):
        raise DataError(f"{path} holds a {_kind(content)}; expected a state dict, tensors by name")
    key = next((key for key in _KEYS if _tensors(content.get(key))), None)
    entries = content if key is None else content[key]
    tensors = _tensors(entries)
    if not tensors:
        raise DataError(
            f"{path} has no tensors at its top, nor under {', '.join(_KEYS)}; "
            f"there are: {_listed(content)}"
        )
    passed_over = [
        f"{name!r:.60} is no tensor ({_kind(value)})"
        for name, value in entries.items()
        if name not in tensors
    ]
    if key is not None:
        others = [name for name in content if name != key]
        beside = f"; {_listed(others)} beside it: passed over" if others else ""
        passed_over.insert(0, f"the tensors are those under {key!r}{beside}")
    return tensors, passed_over


def _tensors(value: Any) -> dict[str, Stored]:
    """Return the entries of a dict that are tensors with names."""
    if not isinstance(value, dict):
        return {}
    return {
        name: entry
        for name, entry in value.items()
        if isinstance(name, str) and isinstance(entry, Stored)
    }


def _kind(value: Any) -> str:
    return "tensor" if isinstance(value, Stored) else type(value).__name__


def _listed(names: Iterable[Any], shown: int = 8) -> str:
    names = [f"{name!r:.60}" for name in names]
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return (", ".join(names[:shown]) or "nothing") + more
