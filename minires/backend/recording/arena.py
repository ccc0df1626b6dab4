"""Memory of arrays that are recorded, which a replay uses in the same way."""

import operator
from bisect import bisect
from collections import defaultdict
from typing import Any
from weakref import finalize, ref

import numpy as np

from .array import Recorded

LINE = 64  # bytes; arrays begin on a cache line, as the widest registers like it
_WASTE = 2  # a block is used for an array of no less than half its size


class Memory(np.ndarray[Any, Any]):
    """Bytes that recorded arrays lie on."""


class Free:
    """Addresses of blocks that no array lies on any more, by size."""

    def __init__(self, others: "Free | None" = None) -> None:
        self.by_size: defaultdict[int, list[int]] = defaultdict(list)
        self.others = others  # where to look next

    def take(self, size: int) -> int | None:
        """Return the smallest block of at least this size, if there is any."""
        fitting = [n for n, some in self.by_size.items() if some and size <= n <= _WASTE * size]
        if fitting:
            return self.by_size[min(fitting)].pop()
        return self.others.take(size) if self.others else None

    def join(self, other: "Free") -> None:
        """Take all that another one has."""
        for size, addresses in other.by_size.items():
            self.by_size[size] += addresses


class Arena:
    """Blocks of memory, each used again as soon as its array is gone.

    Attributes:
        free: the blocks that no array lies on; current: those that are released now, which are
            others while one of several shares is at work.
    """

    def __init__(self) -> None:
        self.free = self.current = Free()
        self._blocks: list[tuple[int, Memory]] = []  # by address

    @property
    def bytes(self) -> int:
        """The size of all blocks."""
        return sum(memory.size for _, memory in self._blocks)

    def held(self) -> list[Memory]:
        """Return the blocks that arrays lie on."""
        free = {address for some in self.free.by_size.values() for address in some}
        return [memory for address, memory in self._blocks if address not in free]

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[int, Recorded]:
        """Return an array of any content, and the address of its block."""
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        size = max(1, -(-size // LINE)) * LINE
        home = self.current
        address = home.take(size) or self._new(size)
        start, memory = self.block(address)
        array = Recorded(shape, dtype, memory, address - start)
        # The arena must not live as long as some gradient that lies in it.
        finalize(array, _release, ref(self), home, memory.size, address).atexit = False
        return address, array

    def block(self, address: int) -> Any:
        """Return the address and memory of the block that an address is in, or None."""
        number = bisect(self._blocks, address, key=operator.itemgetter(0)) - 1
        if number < 0:
            return None
        start, memory = self._blocks[number]
        return (start, memory) if address < start + memory.size else None

    def _new(self, size: int) -> int:
        memory, address = aligned(size)
        place = bisect(self._blocks, address, key=operator.itemgetter(0))
        self._blocks.insert(place, (address, memory))
        return address


def aligned(size: int) -> tuple[Any, int]:
    """Return so many bytes of memory that begin on a cache line, and their address."""
    raw = Memory(size + LINE, np.uint8)
    start: int = raw.__array_interface__["data"][0]
    address = start + -start % LINE
    return raw[address - start :][:size], address


def _release(arena: "ref[Arena]", home: Free, size: int, address: int) -> None:
    """Let a block be used again, by the share that its array was made in while that is at work."""
    if (there := arena()) is not None:
        (home if home is there.current else there.free).by_size[size].append(address)
