"""Memory of arrays that are recorded, which a replay uses in the same way."""

import operator
from bisect import bisect
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar
from weakref import finalize, ref

import numpy as np

from .array import Recorded

T = TypeVar("T")

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
        fitting = [
            (stop - start, n)
            for n, (start, stop) in enumerate(self.intervals)
            if stop - start >= size
        ]
        if not fitting:
            return self.others.take(size) if self.others else None
        _, n = min(fitting)
        start, stop = self.intervals.pop(n)
        if start + size < stop:
            self.intervals.insert(n, (start + size, stop))
        return start

    def give(self, start: int, stop: int) -> None:
        """Add an interval."""
        n = bisect(self.intervals, (start, stop))
        if n and self.intervals[n - 1][1] == start:
            n -= 1
            start, _ = self.intervals.pop(n)
        if n < len(self.intervals) and self.intervals[n][0] == stop:
            _, stop = self.intervals.pop(n)
        self.intervals.insert(n, (start, stop))

    def join(self, other: "Free") -> None:
        """Add all that another one has."""
        for start, stop in other.intervals:
            self.give(start, stop)


class Arena:
    """Memory of arrays, used again once they are gone.

    An array gets the smallest free interval that is large enough, so that what one large array
    needed serves many small ones, and again a large one after them.

    Attributes:
        free: what no array lies on; current: what is released now, which is another one while one
            of several works has memory apart.
    """

    def __init__(self) -> None:
        self.free = self.current = Free()
        self._chunks: list[tuple[int, memoryview]] = []  # all of it, by address
        self._blocks: list[tuple[int, Memory]] = []  # what arrays lie on, by address
        # A collection of garbage, at any moment, adds to these: home, address, size.
        self._released: list[tuple[Free, int, int]] = []

    def held(self) -> list[Memory]:
        """Return the memory that arrays lie on."""
        self._settle()
        return [memory for _, memory in self._blocks]

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[int, Recorded]:
        """Return an array of any content, and its address."""
        self._settle()
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
        """Let memory be used again, first of all by the work it was made in."""
        self._released.append((home if home is self.current else self.free, address, size))

    def apart(self, works: Iterable[T]) -> Iterator[T]:
        """Give out works that are done one by one now and side by side in a replay.

        None gets memory that another one has had, or has released.
        """
        self._settle()
        whole, reserve, own = self.free, Free(), []
        reserve.intervals, whole.intervals = whole.intervals, []
        try:
            for work in works:
                self.current = Free(reserve)
                own.append(self.current)
                yield work
        finally:
            self._settle()
            self.current = whole
            for free in (reserve, *own):
                whole.join(free)

    def _settle(self) -> None:
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
