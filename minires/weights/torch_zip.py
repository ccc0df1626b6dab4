"""The zip files of `torch.save`, as it writes them since PyTorch 1.6.

    NAME/data.pkl     a pickle
    NAME/data/KEY     the numbers of a storage, as they lie in memory
    NAME/byteorder    "little" or "big"

Members are stored as they are, so that each lies in the file from some byte on.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from ..errors import DataError
from ..files import brief

# Bytes of a pickle, and of the directory of the zip file, which are read at once. The pickle of a
# ResNet-1202 and its optimizer has 1.1 million.
_LARGEST_PICKLE = 4_000_000
_ENCRYPTED = 1  # bit of a member's flags
_PIECE = 2**20  # bytes read at a time
# Of a member's local header: 26 bytes, the lengths of its name and its extra field.
_HEADER = struct.Struct("<26x2H")

# What `zipfile` raises of a file that was cut short or altered.
_DAMAGED = (BadZipFile, OSError, EOFError, ValueError, RuntimeError, LookupError, struct.error)


class _Pieces(FileIO):
    """A file that is not read at once, whatever it says of the size of its directory."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _LARGEST_PICKLE:
            raise ValueError(f"a directory of {size:,} bytes")
        return super().read(_LARGEST_PICKLE if size is None or size < 0 else size)


class TorchZip:
    """An open zip file of `torch.save`, of `size` bytes."""

    def __init__(self, path: Path, archive: ZipFile, file: FileIO) -> None:
        self.path = path
        self.size = path.stat().st_size
        self._archive = archive
        self._file = file
        self._members = {info.filename: info for info in archive.infolist()}
        self._located: dict[str, tuple[int, int]] = {}  # members that were read to their end
        self._expect_plain_members()
        pickles = [
            name for name in self._members if name.count("/") == 1 and name.endswith("/data.pkl")
        ]
        if len(pickles) != 1:
            raise DataError(
                f"{self.path} is a zip file, but none of torch.save: it has {len(pickles)} members "
                "NAME/data.pkl, expected one"
            )
        self._folder = pickles[0].removesuffix("data.pkl")
        # Older files do not state their byte order.
        if f"{self._folder}byteorder" in self._members:
            order = self.content("byteorder")
            if order != b"little":
                raise DataError(
                    f"{self.path} has numbers of byte order "
                    f"{order.decode(errors='replace')!r:.20}; "
                    "expected 'little', as almost every machine writes them"
                )

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> "Iterator[TorchZip]":
        """Open the file, for the body of a `with`.

        Raises:
            DataError: it is no zip file of `torch.save`, or is cut short or altered in what is
                read of it; members are compressed, encrypted, there twice, or overlap.
        """
        try:
            with _Pieces(path) as file, ZipFile(file) as archive:
                yield cls(path, archive, file)
        except _DAMAGED as error:
            raise DataError(
                f"{path} is not a whole file of torch.save ({brief(error)}); "
                "it may be cut short or altered"
            ) from error

    def content(self, name: str) -> bytes:
        """Return a small member, whose checksum `zipfile` compares.

        Raises:
            DataError: there is none, or it is not small.
        """
        info = self._member(name)
        if info.file_size > _LARGEST_PICKLE:
            raise DataError(
                f"{self.path} has a member {name} of {info.file_size} bytes, "
                f"more than the {_LARGEST_PICKLE} that are read"
            )
        return self._archive.read(info)

    def locate(self, name: str) -> tuple[int, int]:
        """Return the first byte of a member in the file and its size, after comparing its checksum.

        Raises:
            DataError: there is none.
        """
        if name in self._located:
            return self._located[name]
        info = self._member(name)
        with self._archive.open(info) as member:
            while member.read(_PIECE):  # at the end, `zipfile` compares the checksum
                pass
        self._file.seek(info.header_offset)
        beginning = info.header_offset + _HEADER.size
        beginning += sum(_HEADER.unpack(self._file.read(_HEADER.size)))
        self._located[name] = beginning, info.file_size
        return self._located[name]

    def _member(self, name: str) -> ZipInfo:
        info = self._members.get(self._folder + name)
        if info is None:
            raise DataError(f"{self.path} has no member {self._folder + name!r:.100}")
        return info

    def _expect_plain_members(self) -> None:
        """Raise DataError if members are compressed or encrypted, or share bytes of the file."""
        infos = self._archive.infolist()
        for info in infos:
            is_plain = info.compress_type == ZIP_STORED and not info.flag_bits & _ENCRYPTED
            if not (is_plain and info.compress_size == info.file_size):
                if "/code/" in info.filename:
                    raise DataError(
                        f"{self.path} is a program, TorchScript of torch.jit.save; its weights "
                        "alone are saved by torch.save(torch.jit.load(path).state_dict(), other)"
                    )
                raise DataError(
                    f"{self.path} has a compressed or encrypted member {info.filename!r:.100}; "
                    "torch.save stores them as they are"
                )
        if not (len(infos) == len(self._members) and sum(i.file_size for i in infos) <= self.size):
            raise DataError(f"{self.path} has members that overlap, or are there twice")
