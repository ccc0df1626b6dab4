"""Stored: a tensor in a file, which is read when its numbers are needed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..backend import Array
from ..errors import DataError

# NumPy has no bfloat16, the upper half of a float32: this stands for it, and becomes one.
BFLOAT16 = np.dtype([("bfloat16", "<u2")])


@dataclass(frozen=True)
class Stored:
    """An array in a file, which `np.asarray(stored)` reads; until then it takes no memory.

    Attributes:
        path: the file.
        offset: of its first number, in bytes.
        element: the dtype of the numbers in the file, or BFLOAT16.
        shape: the sizes of the dimensions.
        strides: the distance between neighbours along each dimension, in numbers.
    """

    path: Path
    offset: int
    element: np.dtype[Any]
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the array: that of the file, but float32 for bfloat16."""
        return np.dtype(np.float32) if self.element == BFLOAT16 else self.element

    @property
    def extent(self) -> int:
        """The count of numbers in the file from the first of the array to its last."""
        if 0 in self.shape:
            return 0
        return 1 + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))

    @property
    def nbytes(self) -> int:
        """The size of that part of the file, in bytes."""
        return self.extent * self.element.itemsize

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Read the array into new memory, whatever `copy` says.

        Raises:
            DataError: the file has become shorter, or cannot be read.
        """
        array = as_strided(self._numbers(), self.shape, [s * self._width for s in self.strides])
        return array if dtype is None else array.astype(dtype, copy=False)

    @property
    def _width(self) -> int:
        return self.dtype.itemsize

    def _numbers(self) -> Array:
        """Read all numbers from the first to the last, in the order of the file."""
        numbers = np.empty(self.extent, self.element)
        try:
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                read = file.readinto(numbers.view(np.uint8).data)
        except OSError as error:
            raise DataError(f"{self.path} cannot be read: {error.strerror or error}") from error
        if read != self.nbytes:
            raise DataError(f"{self.path} was cut short while it was read")
        if self.element != BFLOAT16:
            return numbers
        return (numbers.view("<u2").astype(np.uint32) << 16).view(np.float32)


def in_order(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides of an array in C order: (2, 3, 4) -> (12, 4, 1)."""
    strides: list[int] = []
    between = 1
    for size in reversed(shape):
        strides.append(between)
        between *= size
    return tuple(reversed(strides))
