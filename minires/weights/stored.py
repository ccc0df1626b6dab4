"""Stored: a tensor in a file, which is read when its numbers are needed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..backend import Array
from ..errors import DataError, UnreadableError

MOST_DIMENSIONS = 32  # of a tensor that is read

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
            DataError: the file has become shorter.
            UnreadableError: it cannot be read.
        """
        numbers = np.empty(self.extent, self.element)  # from the first to the last, in the file
        try:
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                read = file.readinto(numbers.view(np.uint8).data)
        except OSError as error:
            reason = error.strerror or error
            raise UnreadableError(f"{self.path} cannot be read: {reason}") from error
        if read != self.nbytes:
            raise DataError(f"{self.path} was cut short while it was read")
        if self.element == BFLOAT16:
            numbers = (numbers.view("<u2").astype(np.uint32) << 16).view(np.float32)
        width = numbers.itemsize
        array = as_strided(numbers, self.shape, [width * s for s in self.strides])
        return array if dtype is None else array.astype(dtype, copy=False)
