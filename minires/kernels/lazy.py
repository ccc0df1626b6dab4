"""Arrays that are computed when their numbers are first needed."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..backend import Array, is_array


class LazyArray:
    """An array that is not computed yet.

    A kernel that takes lazy arrays may use what this one is made from instead, so that an array
    that only passes from one operation to the next is never written to memory.

    Attributes:
        shape, dtype, backend: those of the array.
        begun: whether a GPU is computing it already, beside what is launched until `realize`.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    backend: str
    begun = False
    _array: Array | None = None

    def compute(self) -> Array:
        """Return the array, newly computed."""
        raise NotImplementedError

    def realize(self) -> Array:
        """Return the array; it is computed once."""
        if self._array is None:
            with np.errstate(under="ignore"):
                self._array = self.compute()
        return self._array

    def realized_as(self, array: Array) -> None:
        """Take `array`, which a kernel had to compute, as the result of `realize`."""
        self._array = array

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def is_realized(self) -> bool:
        """Whether the array has been computed."""
        return self._array is not None


def realized(value: Any) -> Any:
    """Return the array of a lazy array, and any other value as it is."""
    return value.realize() if isinstance(value, LazyArray) else value


def arrays_in_memory(saved: Any) -> Iterator[Array]:
    """Yield the arrays in what an operation saved; of lazy ones those that are computed."""
    if isinstance(saved, LazyArray):
        if saved.is_realized:
            yield saved.realize()
    elif is_array(saved):
        yield saved
    elif isinstance(saved, tuple | list):
        for part in saved:
            yield from arrays_in_memory(part)
