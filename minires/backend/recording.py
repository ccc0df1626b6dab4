"""Keeping the calls of NumPy that a function makes, and memory in which they can be made again."""

import math
import operator
from bisect import bisect
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Self
from weakref import finalize

import numpy as np

from ..errors import GraphError
from .arrays import Array
from .recorded import Recorded, set_recorder, unrecorded
from .writes import owner

_LINE = 64  # bytes; arrays begin on a cache line, as the widest registers like it

Calls = list[Callable[[], Any]]


class Memory(np.ndarray[Any, Any]):
    """Bytes that recorded arrays lie on."""


class Written:
    """An array that a recorded function writes to.

    Attributes:
        array: all of its memory; before: a copy of what was there.
        early: whether a decision comes after the first write.
    """

    def __init__(self, array: Array) -> None:
        self.array, self.before, self.early = array, array.copy(), False


class _Free:
    """Addresses of memory that no array lies on any more, by size."""

    def __init__(self, others: "_Free | None" = None) -> None:
        self.by_size: defaultdict[int, list[int]] = defaultdict(list)
        self.others = others  # where to look next

    def take(self, size: int) -> int | None:
        """Return memory of a size, if there is any."""
        if self.by_size[size]:
            return self.by_size[size].pop()
        return self.others.take(size) if self.others else None

    def join(self, other: "_Free") -> None:
        """Take all that another one has."""
        for size, addresses in other.by_size.items():
            self.by_size[size] += addresses


class Recorder:
    """Keeps the calls of NumPy that are made in this thread inside `with`.

    Memory is used again as soon as its array is gone, as it will be in a replay.

    Attributes:
        calls: what was called so far.
        written: the arrays of others that were written to, by the id of what owns their memory.
    """

    def __init__(self) -> None:
        self.calls: Calls = []
        self.written: dict[int, Written] = {}
        self._blocks: list[tuple[int, Memory]] = []  # by address
        self._free = self._all = _Free()

    def __enter__(self) -> Self:
        set_recorder(self)
        return self

    def __exit__(self, *error: object) -> None:
        set_recorder(None)

    def note(self, function: Callable[..., Any], arguments: Any, named: dict[str, Any]) -> None:
        """Keep a call."""
        self.calls.append(partial(function, *self.lasting(arguments), **self.lasting(named)))

    def repeated(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a function returns, and keep a call that expects the same."""
        result = function(*unrecorded(arguments))
        for written in self.written.values():
            written.early = True
        self.note(_expect_same, (result, function, *arguments), {})
        return result

    def writes(self, array: Array) -> None:
        """Keep a copy of an array of others that is written to."""
        memory = owner(self.lasting(array))
        if not isinstance(memory, Memory) and id(memory) not in self.written:
            self.written[id(memory)] = Written(memory)

    @property
    def bytes(self) -> int:
        """The memory that all arrays lie on."""
        return sum(memory.size for _, memory in self._blocks)

    def forget(self) -> None:
        """Let go of all that was kept; arrays that are left still hold this recorder."""
        self.calls, self.written, self._blocks = [], {}, []

    def undo(self) -> None:
        """Set the arrays of others back to what they were."""
        for written in self.written.values():
            np.copyto(written.array, written.before)

    def in_shares(
        self, works: Iterable[Callable[[], None]], run: Callable[[list[Calls]], None]
    ) -> None:
        """Do works that `run` does side by side in a replay: no two of them use the same memory."""
        calls, reserve, shares = self.calls, _Free(), []
        reserve.by_size, self._all.by_size = self._all.by_size, defaultdict(list)
        for work in works:
            self.calls, self._free = [], _Free(reserve)
            work()
            shares.append((self.calls, self._free))
        self.calls, self._free = calls, self._all
        for free in (reserve, *(free for _, free in shares)):
            self._all.join(free)
        self.calls.append(partial(run, [calls for calls, _ in shares]))

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Return an array of any content.

        Raises:
            GraphError: it would hold Python's objects.
        """
        if dtype.hasobject:
            raise GraphError(f"a record holds no arrays of Python's objects, got {dtype}")
        size = max(1, -(-math.prod(shape) * dtype.itemsize // _LINE)) * _LINE
        home = self._free
        address = home.take(size) or self._new(size)
        start, memory = self._block(address)
        array = Recorded(shape, dtype, memory, address - start)
        finalize(array, self._release, home, size, address).atexit = False
        return array

    def like(self, array: Any) -> Array:
        """Return a copy, which lies in memory in the same order."""
        axes = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
        y = self.empty(tuple(array.shape[axis] for axis in axes), array.dtype)
        y = unrecorded(y).transpose(np.argsort(axes)) if axes else y
        np.copyto(unrecorded(y), array)
        return y.view(Recorded)

    def lasting(self, value: Any) -> Any:
        """Return an array as one of NumPy's that does not keep its memory from being used again."""
        if isinstance(value, tuple | list):
            return type(value)([self.lasting(part) for part in value])
        if isinstance(value, dict):
            return {name: self.lasting(part) for name, part in value.items()}
        if not isinstance(value, np.ndarray):
            return value
        block = self._block(value.__array_interface__["data"][0])
        if block is None:
            return value.view(np.ndarray)
        start, memory = block
        offset = value.__array_interface__["data"][0] - start
        return np.ndarray(value.shape, value.dtype, memory, offset, value.strides)

    def _new(self, size: int) -> int:
        raw = Memory(size + _LINE, np.uint8)
        address: int = raw.__array_interface__["data"][0]
        after = -address % _LINE
        memory: Any = raw[after : after + size]
        place = bisect(self._blocks, address + after, key=operator.itemgetter(0))
        self._blocks.insert(place, (address + after, memory))
        return address + after

    def _block(self, address: int) -> Any:
        """Return the address and memory of the block that an address is in, or None."""
        number = bisect(self._blocks, address, key=operator.itemgetter(0)) - 1
        if number < 0:
            return None
        start, memory = self._blocks[number]
        return (start, memory) if address < start + memory.size else None

    def _release(self, home: _Free, size: int, address: int) -> None:
        """Let memory be used again, by the share that it was made in while that is at work."""
        (home if home is self._free else self._all).by_size[size].append(address)


def _expect_same(result: Any, function: Callable[..., Any], *arguments: Any) -> None:
    now = function(*arguments)
    if now != result:
        raise GraphError(
            f"{function.__name__} was {result} when the step was recorded and is {now} now, "
            "so that another way would have to be taken"
        )
