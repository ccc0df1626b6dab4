"""Memory of arrays that are recorded, which a replay uses in the same way."""

import operator
from bisect import bisect
from typing import Any
from weakref import finalize, ref

import numpy as np

from .array import Recorded

LINE = 64  # bytes; arrays begin on a cache line, as the widest registers like it
_FIRST = 1 << 26  # bytes that are asked for at first; they are taken when arrays lie on them


class Memory(np.ndarray[Any, Any]):
    """Bytes that an array lies on."""


class Free:
    """Intervals of addresses that no array lies on; those that touch are one."""

    def __init__(self, others: "Free | None" = None) -> None:
        self.intervals: list[tuple[int, int]] = []  # starts and stops, sorted
        self.others = others  # where to look next

    def take(self, size: int) -> int | None:
        """Return the address of so many bytes, of the smallest interval that has them."""
        fitting = [(stop - start, n) for n, (start, stop) in enumerate(self.intervals)]
        fitting = [(room, n) for room, n in fitting if room >= size]
        if not fitting:
            return self.others.take(size) if self.others else None
        room, n = min(fitting)
        start, stop = self.intervals[n]
        self.intervals[n : n + 1] = [(start + size, stop)] if room > size else []
        return start

    def give(self, start: int, stop: int) -> None:
        """Add an interval."""
        n = bisect(self.intervals, (start, stop))
        before, after = self.intervals[n - 1 : n], self.intervals[n : n + 1]
        if before and before[0][1] == start:
            n, start = n - 1, before[0][0]
        else:
            before = []
        if after and after[0][0] == stop:
            stop = after[0][1]
        else:
            after = []
        self.intervals[n : n + len(before) + len(after)] = [(start, stop)]

    def join(self, other: "Free") -> None:
        """Add all that another one has."""
        for start, stop in other.intervals:
            self.give(start, stop)


class Arena:
    """Memory of arrays, used again once they are gone.

    An array gets the smallest free interval that is large enough. (A step of ResNet-18, batch 16:
    413 MB for arrays that take 404 together, where blocks that were never divided took 643.)

    Attributes:
        free: what no array lies on; current: what is released now, which is another one while one
            of several shares is at work.
    """

    def __init__(self) -> None:
        self.free = self.current = Free()
        self._chunks: list[tuple[int, memoryview]] = []  # all of it, by address
        self._blocks: list[tuple[int, Memory]] = []  # what arrays lie on, by address
        # A collection of garbage, at any moment, adds to these: home, address, size.
        self._released: list[tuple[Free, int, int]] = []

    def held(self) -> list[Memory]:
        """Return the memory that arrays lie on."""
        self.settle()
        return [memory for _, memory in self._blocks]

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[int, Recorded]:
        """Return an array of any content, and its address."""
        self.settle()
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        size = max(1, -(-size // LINE)) * LINE
        home = self.current
        address = home.take(size) or self._grow(size)
        start, chunk = _last(self._chunks, address)
        memory = Memory(size, np.uint8, chunk, address - start)
        self._blocks.insert(_place(self._blocks, address), (address, memory))
        array = Recorded(shape, dtype, memory)
        # The arena must not live as long as some gradient that lies in it.
        finalize(array, _release, ref(self), home, address, size).atexit = False
        return address, array

    def block(self, address: int) -> tuple[int, Memory] | None:
        """Return the address and memory of the array that an address is in, or None."""
        block = _last(self._blocks, address)
        return block if block and address < block[0] + block[1].size else None

    def release(self, home: Free, address: int, size: int) -> None:
        """Let memory be used again, by the share it was made in while that is at work."""
        self._released.append((home if home is self.current else self.free, address, size))

    def settle(self) -> None:
        """Add what was released to what is free."""
        while self._released:
            home, address, size = self._released.pop()
            del self._blocks[_place(self._blocks, address) - 1]
            home.give(address, address + size)

    def _grow(self, size: int) -> int:
        """Ask for as much memory as there is, or more for a larger array; return its address."""
        most = max(size, sum(len(chunk) for _, chunk in self._chunks) or _FIRST)
        memory, address = aligned(most)
        self._chunks.insert(_place(self._chunks, address), (address, memory.data))
        if most > size:
            (self.current.others or self.current).give(address + size, address + most)
        return address


def aligned(size: int) -> tuple[Any, int]:
    """Return so many bytes of memory that begin on a cache line, and their address."""
    raw = Memory(size + LINE, np.uint8)
    start: int = raw.__array_interface__["data"][0]
    address = start + -start % LINE
    return raw[address - start :][:size], address


def _place(by_address: list[Any], address: int) -> int:
    """Return how many begin at an address or before it."""
    return bisect(by_address, address, key=operator.itemgetter(0))


def _last(by_address: list[Any], address: int) -> Any:
    """Return the last of those that begin at an address or before it, or None."""
    n = _place(by_address, address)
    return by_address[n - 1] if n else None


def _release(arena: "ref[Arena]", home: Free, address: int, size: int) -> None:
    if (there := arena()) is not None:
        there.release(home, address, size)
