"""Tensors of PyTorch's own files, `.pth` and `.pt`, without PyTorch and without running anything.

Since version 1.6 `torch.save` writes a zip file of members that are stored as they are:

    NAME/data.pkl     a pickle of dicts, numbers, strings, and tensors: each is a call that names
                      its storage, offset, sizes and strides
    NAME/data/KEY     the numbers of a storage
    NAME/byteorder    "little" or "big"

The pickle goes through a machine that can run nothing (see `pickled`); what it says of tensors is
held against the members before a number is read.
"""

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np

from ..errors import DataError, expect
from .pickled import PickleMachine
from .stored import BFLOAT16, Stored

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

# Where training scripts put the tensors, beside the epoch and the state of an optimizer.
_PLACES = ("state_dict", "model_state_dict", "model")

# Bytes of a pickle; that of a ResNet-1202 with its optimizer's state has a quarter of them.
_LARGEST_PICKLE = 4_000_000
_MOST_DIMENSIONS = 32
_BOUND = 2**48  # of a stride, and of all sizes together: no file is so large
_ENCRYPTED = 1  # bit of a member's flags
_PIECE = 2**20  # bytes read at a time
# Several tensors may lie in one storage, but not so that all of them are much more than the file.
_MOST_TIMES_THE_FILE = 4

# What `zipfile` raises of a file that was cut short or altered.
_DAMAGED = (BadZipFile, OSError, EOFError, ValueError, RuntimeError, LookupError, struct.error)


@dataclass(frozen=True)
class _Storage:
    """Numbers that tensors are views of: of what type, from which byte of the file, how many."""

    element: np.dtype[Any]
    offset: int
    count: int


def stored_tensors(path: Path) -> tuple[dict[str, Stored], list[str]]:
    """The tensors of a file of `torch.save` by name, and a sentence for all that is none.

    The file holds a state dict, or a dict with one under "state_dict", "model_state_dict" or
    "model". Numbers and strings beside tensors are passed over.

    Raises:
        DataError: the pickle asks for anything but tensors and plain data; the zip file is cut
            short, altered, compressed or encrypted; a tensor does not lie within its storage;
            there is no tensor.
    """
    try:
        with ZipFile(path) as archive, open(path, "rb") as file:
            return _Reader(path, archive, file).read()
    except _DAMAGED as error:
        raise DataError(
            f"{path} is not a whole file of torch.save ({error}); it may be cut short or altered"
        ) from error


class _Reader:
    """Reads one file."""

    def __init__(self, path: Path, archive: ZipFile, file: IO[bytes]) -> None:
        self.path = path
        self.archive = archive
        self.file = file
        self.members = {info.filename: info for info in archive.infolist()}
        self.folder = self._folder()
        self.whole: set[str] = set()  # the members that were read to their end

    def read(self) -> tuple[dict[str, Stored], list[str]]:
        """See `stored_tensors`."""
        self._expect_members()
        names = {
            **_ELEMENTS,
            "collections.OrderedDict": _empty_dict,
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "torch._utils._rebuild_parameter": self._parameter,
        }
        content = PickleMachine(self.path, names, self._storage).run(self._content("data.pkl"))
        tensors, passed_over = _state_dict(self.path, content)
        size, spanned = self._size(), sum(tensor.nbytes for tensor in tensors.values())
        expect(
            spanned <= _MOST_TIMES_THE_FILE * size,
            DataError,
            f"{self.path} has {size} bytes, but its tensors together span {spanned} of them",
        )
        return tensors, passed_over

    # --- members --------------------------------------------------------------------------

    def _size(self) -> int:
        return self.path.stat().st_size

    def _folder(self) -> str:
        """The folder of all members."""
        found = [
            name for name in self.members if name.count("/") == 1 and name.endswith("/data.pkl")
        ]
        expect(
            len(found) == 1,
            DataError,
            f"{self.path} is a zip file, but none of torch.save: it has {len(found)} members "
            "NAME/data.pkl, expected one",
        )
        return found[0].removesuffix("data.pkl")

    def _expect_members(self) -> None:
        """Refuse members that are not stored as they are, or that share bytes of the file."""
        infos = self.archive.infolist()
        for info in infos:
            is_plain = info.compress_type == ZIP_STORED and not info.flag_bits & _ENCRYPTED
            expect(
                is_plain and info.compress_size == info.file_size,
                DataError,
                f"{self.path} has a compressed or encrypted member {info.filename!r:.100}; "
                "torch.save stores them as they are",
            )
        expect(
            len(infos) == len(self.members)
            and sum(info.file_size for info in infos) <= self._size(),
            DataError,
            f"{self.path} has members that overlap, or are there twice",
        )
        order = self._content("byteorder") if f"{self.folder}byteorder" in self.members else b""
        expect(
            order in (b"", b"little"),
            DataError,
            f"{self.path} has numbers of byte order {order.decode(errors='replace')!r:.20}; "
            "expected 'little', as almost every machine writes them",
        )

    def _member(self, name: str) -> ZipInfo:
        info = self.members.get(self.folder + name)
        if info is None:
            raise DataError(f"{self.path} has no member {self.folder + name!r:.100}")
        return info

    def _content(self, name: str) -> bytes:
        """A small member; `zipfile` holds it against its checksum."""
        info = self._member(name)
        expect(
            info.file_size <= _LARGEST_PICKLE,
            DataError,
            f"{self.path} has a member {name} of {info.file_size} bytes, "
            f"more than the {_LARGEST_PICKLE} that are read",
        )
        return self.archive.read(info)

    def _expect_whole(self, info: ZipInfo) -> None:
        """Read a member to its end, piece by piece, so that `zipfile` compares its checksum."""
        if info.filename not in self.whole:
            with self.archive.open(info) as member:
                while member.read(_PIECE):
                    pass
            self.whole.add(info.filename)

    def _beginning(self, info: ZipInfo) -> int:
        """The byte of the file at which a member's content begins, after its local header."""
        self.file.seek(info.header_offset)
        name, extra = struct.unpack("<26x2H", self.file.read(30))
        return info.header_offset + 30 + name + extra

    # --- what the pickle may call ---------------------------------------------------------

    def _storage(self, identity: Any) -> _Storage:
        """("storage", type, key, device, count): the numbers of a member."""
        match identity:
            case ("storage", np.dtype() as element, str(key), str(), int(count)):
                info = self._member(f"data/{key}")
            case _:
                raise DataError(f"{self.path} refers to something that is no storage of a tensor")
        expect(
            count * element.itemsize == info.file_size,
            DataError,
            f"{self.path} says that storage {key} has {count} numbers of {element.itemsize} "
            f"bytes; its member has {info.file_size} bytes",
        )
        self._expect_whole(info)
        return _Storage(element, self._beginning(info), count)

    def _tensor(
        self,
        storage: Any,
        offset: Any,
        shape: Any,
        strides: Any,
        requires_grad: Any,
        hooks: Any,
        metadata: Any = None,
    ) -> Stored:
        """A view of a storage, held against it."""
        expect(
            isinstance(storage, _Storage)
            and all(type(n) is int and 0 <= n < _BOUND for n in (offset, *shape, *strides))
            and len(shape) == len(strides) <= _MOST_DIMENSIONS
            and math.prod(n or 1 for n in shape) < _BOUND
            and not metadata,
            DataError,
            f"{self.path} describes a tensor that is none: offset, sizes and strides must be "
            "integers of at least 0, one size and stride a dimension",
        )
        item = storage.element.itemsize
        tensor = Stored(
            self.path, storage.offset + item * offset, storage.element, tuple(shape), tuple(strides)
        )
        expect(
            math.prod(shape) <= tensor.extent <= storage.count - offset,
            DataError,
            f"{self.path} has a tensor of shape {tuple(shape)}, strides {tuple(strides)} and "
            f"offset {offset}, which is no part of its storage of {storage.count} numbers",
        )
        return tensor

    def _parameter(self, tensor: Any, requires_grad: Any, hooks: Any) -> Stored:
        """A parameter is its tensor."""
        expect(
            isinstance(tensor, Stored), DataError, f"{self.path} has a parameter that is no tensor"
        )
        return tensor


def _empty_dict() -> dict[Any, Any]:
    """An OrderedDict as a pickle begins it; the items follow."""
    return {}


def _state_dict(path: Path, content: Any) -> tuple[dict[str, Stored], list[str]]:
    """The tensors by name, from where they are; and what is passed over."""
    expect(
        isinstance(content, dict),
        DataError,
        f"{path} holds a {_kind(content)}; expected a state dict, tensors by name",
    )
    place = next((place for place in _PLACES if _tensors(content.get(place))), None)
    entries = content if place is None else content[place]
    tensors = _tensors(entries)
    expect(
        len(tensors) > 0,
        DataError,
        f"{path} has no tensors at its top, nor under {', '.join(_PLACES)}; "
        f"there are: {_listed(content)}",
    )
    passed_over = [
        f"{name!r:.60} is no tensor ({_kind(value)})"
        for name, value in entries.items()
        if name not in tensors
    ]
    if place is not None:
        others = [name for name in content if name != place]
        beside = f"; {_listed(others)} beside it: passed over" if others else ""
        passed_over.insert(0, f"the tensors are those under {place!r}{beside}")
    return tensors, passed_over


def _tensors(value: Any) -> dict[str, Stored]:
    """The entries of a dict that are tensors with names."""
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
