"""Memory for large arrays, used again as soon as the last array on it is gone.

A fresh array costs more than what is written into it: the system maps its pages one by
one and clears each. A training step needs the same sizes again and again, so memory whose
arrays are gone waits here for the next array of its size. NumPy itself keeps small arrays.

Without it a training step of resnet-20 at batch 128 takes 1.07 times as long, and 1.18 times the
CPU time (AMD EPYC, `python benchmarks/tuning.py pooled_bytes=1000000000000`).
"""

import math
import os
import threading
from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np

from ...backend import LINE, Array, Memory, aligned, recorder
from .tuning import tuning


class _Memory(NamedTuple):
    """`size` bytes at `address`, which `raw` keeps."""

    raw: Array
    address: int
    size: int


class _Owner:
    """The owner of an array's memory; gives it back when the last view of it is gone."""

    __slots__ = ("__array_interface__", "_memory")

    def __init__(self, memory: _Memory, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._memory = memory
        self.__array_interface__ = {
            "version": 3,
            "shape": shape,
            "typestr": dtype.str,
            "data": (memory.address, False),
        }

    def __del__(self) -> None:
        _pool.give_back(self._memory)


class _Pool:
    """Memory by size. Never holds more than was in use at one time."""

    def __init__(self) -> None:
        self._free: defaultdict[int, list[_Memory]] = defaultdict(list)
        self.lock = threading.RLock()  # a collection inside may give memory back
        self.used = self.most_used = self.free = 0

    def take(self, size: int) -> _Memory:
        """`size` bytes, of any content."""
        with self.lock:
            waiting = self._free.get(size)
            if waiting:
                memory = waiting.pop()
                self.free -= size
            else:
                self._make_room(size)
                memory = _Memory(*aligned(size), size)
            self.used += size
            self.most_used = max(self.most_used, self.used)
        return memory

    def give_back(self, memory: _Memory) -> None:
        """Keep `memory` for the next array of its size."""
        with self.lock:
            self.used -= memory.size
            self.free += memory.size
            self._free[memory.size].append(memory)

    def _make_room(self, size: int) -> None:
        """Let go of other sizes until `size` more is no more than was in use at once."""
        for other in list(self._free):
            while self._free[other] and self.used + self.free + size > self.most_used:
                self.free -= self._free[other].pop().size
            if not self._free[other]:
                del self._free[other]


_pool = _Pool()


def free_bytes() -> int:
    """Return how many bytes wait for the next arrays."""
    return _pool.free


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return an array of any content; a large one lies on memory that is used again."""
    if (here := recorder()) is not None:
        return here.empty(shape, dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < tuning.pooled_bytes:
        return np.empty(shape, dtype)
    return np.asarray(_Owner(_pool.take(-(-size // LINE) * LINE), shape, dtype))


def zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return an array of zeros, which is small."""
    if recorder() is None:
        return np.zeros(shape, dtype)
    array = empty(shape, dtype)
    array[...] = 0
    return array


def contiguous(array: Array) -> Array:
    """Return an array in C order, copied only if it does not lie so."""
    return array if array.flags.c_contiguous else array.copy()


def is_constant(array: Any) -> bool:
    """Return whether neither `array` nor what it is a view of is writeable."""
    while isinstance(array, np.ndarray) and not isinstance(array, Memory):
        if array.flags.writeable:
            return False
        array = array.base
    return array is None or isinstance(array, _Owner | Memory)


def _start_afresh() -> None:
    """Make a new lock in a forked process: a thread of the parent may have held the old one."""
    _pool.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)
