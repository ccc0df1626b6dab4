"""Reading tensors of PyTorch's `.pth` and `.pt` files, without PyTorch and without running code.

`torch.save` writes a zip file (see `torch_zip`) with a pickle of dicts, numbers, strings, and
tensors. Each tensor is a call that names its storage, offset, sizes and strides:

    torch._utils._rebuild_tensor_v2(STORAGE, OFFSET, (SIZE, ...), (STRIDE, ...), ...)

where STORAGE is the persistent id ("storage", torch.FloatStorage, KEY, DEVICE, COUNT). The pickle
is read by a machine that can run nothing (see `pickled`), and the description of each tensor is
compared with its storage before a number is read. What PyTorch reads with `weights_only=True` is
read; of that, what is no tensor of numbers is passed over.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..files import brief
from .pickled import Inert, PickleMachine, call
from .state_dicts import choose, tensors_of
from .stored import MOST_DIMENSIONS, Stored
from .torch_names import INERT, NUMBERS
from .torch_zip import TorchZip

_LONGEST_KEY = 100  # letters of a storage's name, which PyTorch counts: "0", "1", ...
_BOUND = 2**48  # of a stride, and of all sizes together: no file is so large
# Several tensors may lie in one storage, but not so that all of them are much more than the file.
_MOST_TIMES_THE_FILE = 4


@dataclass(frozen=True)
class _Storage:
    """The numbers that tensors are views of: their type, first byte in the file, and count."""

    element: np.dtype[Any]
    offset: int
    count: int


def stored_tensors(path: Path, key: str | None = None) -> tuple[dict[str, Stored], list[str]]:
    """Return the tensors of a file of `torch.save` by name, and sentences about other entries.

    The file holds a state dict, or a dict with one in it: see `state_dicts.choose` for `key`.

    Raises:
        DataError: as for `TorchZip.open` and `PickleMachine.run`; a tensor does not lie within its
            storage; there is no tensor.
        UsageError: there are none under `key`, or it must be given.
    """
    with TorchZip.open(path) as archive:
        lent = _Lent(path, archive)
        content = PickleMachine(path, lent.names, lent.storage).run(archive.content("data.pkl"))
    entries, passed_over = choose(path, content, key)
    tensors = tensors_of(entries)
    size, spanned = path.stat().st_size, sum(tensor.nbytes for tensor in tensors.values())
    if spanned > _MOST_TIMES_THE_FILE * size:
        raise DataError(f"{path} has {size} bytes, but its tensors together span {spanned} of them")
    return tensors, passed_over


class _Lent:
    """The names that the pickle of a file may use and call."""

    def __init__(self, path: Path, archive: TorchZip) -> None:
        self.path = path
        self.archive = archive
        self.names: dict[str, Any] = {
            **INERT,
            **NUMBERS,
            "collections.OrderedDict": _empty_dict,
            "torch._utils._rebuild_tensor": self.tensor_v1,
            "torch._utils._rebuild_tensor_v2": self.tensor,
            "torch._utils._rebuild_tensor_v3": self.tensor_v3,
            "torch._utils._rebuild_parameter": self.parameter,
            "torch._utils._rebuild_parameter_with_state": self.parameter,
            "torch._utils._rebuild_device_tensor_from_cpu_tensor": self.parameter,
            "torch._tensor._rebuild_from_type_v2": self.with_attributes,
        }

    def storage(self, identity: Any) -> _Storage | Inert:
        """Return the storage of a persistent id; an inert one if its numbers are not read."""
        match identity:
            case ("storage", Inert() as kind, str(), str(), int()):
                return kind
            case ("storage", np.dtype() as element, str(key), str(), int(count)) if (
                len(key) <= _LONGEST_KEY
            ):
                offset, size = self.archive.locate(f"data/{key}")
            case _:
                raise DataError(f"{self.path} refers to something that is no storage of a tensor")
        if count * element.itemsize != size:
            raise DataError(
                f"{self.path} says that storage {brief(key)} has {count} numbers of "
                f"{element.itemsize} bytes; its member has {size} bytes"
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
    ) -> Stored | Inert:
        """Return a view of a storage; raise DataError if it exceeds the storage."""
        if isinstance(storage, Inert):
            return storage
        if metadata:
            return Inert("conjugate or negated view")
        if not (
            isinstance(storage, _Storage)
            and isinstance(shape, tuple)
            and isinstance(strides, tuple)
            and len(shape) == len(strides) <= MOST_DIMENSIONS
            and all(type(n) is int and 0 <= n < _BOUND for n in (offset, *shape, *strides))
            and math.prod(n or 1 for n in shape) < _BOUND
        ):
            raise DataError(
                f"{self.path} describes a tensor that is none: offset, sizes and strides must be "
                "integers of at least 0, one size and stride a dimension"
            )
        item = storage.element.itemsize
        tensor = Stored(self.path, storage.offset + item * offset, storage.element, shape, strides)
        if not (math.prod(shape) <= tensor.extent <= storage.count - offset):
            raise DataError(
                f"{self.path} has a tensor of shape {shape}, strides {strides} and "
                f"offset {offset}, which is no part of its storage of {storage.count} numbers"
            )
        return tensor

    def tensor_v1(self, storage: Any, offset: Any, shape: Any, strides: Any) -> Stored | Inert:
        """Return a view of a storage, as files of the first versions describe it."""
        return self.tensor(storage, offset, shape, strides, False, None)

    def tensor_v3(
        self,
        storage: Any,
        offset: Any,
        shape: Any,
        strides: Any,
        requires_grad: Any,
        hooks: Any,
        dtype: Any,
        metadata: Any = None,
    ) -> Stored | Inert:
        """Return a view of a storage of bytes, whose numbers have the type `dtype`."""
        if isinstance(dtype, Inert):
            return dtype
        if not (isinstance(dtype, np.dtype) and isinstance(storage, _Storage)):
            raise DataError(f"{self.path} describes a tensor without storage, or without dtype")
        numbers = _Storage(dtype, storage.offset, storage.count // dtype.itemsize)
        return self.tensor(numbers, offset, shape, strides, requires_grad, hooks, metadata)

    def parameter(self, tensor: Any, *other: Any) -> Stored | Inert:
        """Return the tensor of a parameter, or of another wrapping, without its attributes."""
        if not isinstance(tensor, Stored | Inert):
            raise DataError(f"{self.path} has a parameter that is no tensor")
        return tensor

    def with_attributes(
        self, make: Any, kind: Any, arguments: Any, attributes: Any
    ) -> Stored | Inert:
        """Return a tensor that has attributes, without them."""
        # In itself, and in itself, it might go deeper than Python's stack.
        if make is self.names["torch._tensor._rebuild_from_type_v2"]:
            raise DataError(f"{self.path} has a tensor in another")
        return call(make, arguments)


def _empty_dict() -> dict[Any, Any]:
    """Return an OrderedDict as a pickle begins it; `dict` would take, and hash, arguments."""
    return {}
