"""Memory for large arrays, used again as soon as the last array on it is gone.

A fresh array costs more than what is written into it: the system maps its pages one by
one and clears each. A training step needs the same sizes again and again, so a block
whose arrays are gone waits here for the next array of its size.
"""

import math
import threading
from collections import defaultdict
from typing import Any

import numpy as np

from ..backend import Array

_SMALLEST = 1 << 15  # bytes; below it NumPy's own allocator is as good
_LINE = 64  # bytes; arrays begin on a cache line, as the widest registers like it


class _Block:
    """Memory that goes back to the pool when the last array on it is gone."""

    __slots__ = ("__array_interface__", "_memory")

    def __init__(self, memory: Array) -> None:
        self._memory = memory
        self.__array_interface__ = memory.__array_interface__

    def __del__(self) -> None:
        _pool.give_back(self._memory)


class _Pool:
    """Blocks by size. Never holds more than was in use at one time."""

    def __init__(self) -> None:
        self._free: defaultdict[int, list[Array]] = defaultdict(list)
        self._lock = threading.RLock()  # a collection inside may give a block back
        self.used = self.most_used = self.free = 0

    def take(self, size: int) -> Array:
        """An array over `size` bytes, of any content."""
        with self._lock:
            waiting = self._free.get(size)
            if waiting:
                memory = waiting.pop()
                self.free -= size
            else:
                self._make_room(size)
                memory = _on_a_line(size)
            self.used += size
            self.most_used = max(self.most_used, self.used)
        return np.asarray(_Block(memory))

    def give_back(self, memory: Array) -> None:
        """Keep `memory` for the next array of its size."""
        with self._lock:
            self.used -= memory.nbytes
            self.free += memory.nbytes
            self._free[memory.nbytes].append(memory)

    def _make_room(self, size: int) -> None:
        """Let go of blocks of other sizes until `size` fits under what was in use at once."""
        for other in list(self._free):
            while self._free[other] and self.used + self.free + size > self.most_used:
                self.free -= self._free[other].pop().nbytes
            if not self._free[other]:
                del self._free[other]


_pool = _Pool()


def empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """An array of any content, as `numpy.empty`, on memory that is used again."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < _SMALLEST:
        return np.empty(shape, dtype)
    return _pool.take(-(-size // _LINE) * _LINE)[:size].view(dtype).reshape(shape)


def is_ours(array: Array) -> bool:
    """Whether `array` lies on memory that was handed out here, so that nobody writes to it."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return isinstance(array.base, _Block)


def _on_a_line(size: int) -> Array:
    memory = np.empty(size + _LINE, np.uint8)
    start = -memory.ctypes.data % _LINE
    return memory[start : start + size]
