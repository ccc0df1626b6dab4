"""A tensor that lies in a file, and is read when somebody looks at its numbers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..backend import Array
from ..errors import DataError, expect

# NumPy has no bfloat16, the upper half of a float32: this stands for it, and becomes one.
BFLOAT16 = np.dtype([("bfloat16", "<u2")])


@dataclass(frozen=True)
class Stored:
    """An array in a file. `np.asarray(stored)` reads it; until then it takes no memory.

    Attributes:
        path: the file.
        offset: where its first number begins, in bytes.
        element: the dtype of the numbers as they lie in the file, or BFLOAT16.
        shape: the sizes of the dimensions.
        strides: how many numbers lie between neighbours along each dimension.
    """

    path: Path
    offset: int
    element: np.dtype[Any]
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the array: that of the file, but float32 for bfloat16."""
        return np.dtype(np.float32) if self.element == BFLOAT16 else self.element

    @property
    def extent(self) -> int:
        """How many numbers of the file the array spans, from its first to its last."""
        if 0 in self.shape:
            return 0
        return 1 + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))

    @property
    def nbytes(self) -> int:
        """How many bytes of the file the array spans."""
        return self.extent * self.element.itemsize

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Read the array: new memory, so that `copy` asks for nothing more.

        Raises:
            DataError: the file has become shorter, or cannot be read.
        """
        array = as_strided(self._numbers(), self.shape, [s * self._width for s in self.strides])
        return array if dtype is None else array.astype(dtype, copy=False)

    @property
    def _width(self) -> int:
        return self.dtype.itemsize

    def _numbers(self) -> Array:
        """All numbers from the first to the last, as they follow each other in the file."""
        numbers = np.empty(self.extent, self.element)
        try:
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                read = file.readinto(numbers.view(np.uint8).data)
        except OSError as error:
            raise DataError(f"{self.path} cannot be read: {error.strerror or error}") from error
        expect(read == self.nbytes, DataError, f"{self.path} was cut short while it was read")
        if self.element != BFLOAT16:
            return numbers
        return (numbers.view("<u2").astype(np.uint32) << 16).view(np.float32)


def in_order(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of an array in C order: (2, 3, 4) -> (12, 4, 1)."""
    strides: list[int] = []
    between = 1
    for size in reversed(shape):
        strides.append(between)
        between *= size
    return tuple(reversed(strides))
