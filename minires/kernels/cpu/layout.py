"""How the maps lie in memory: (H, C, W, N), the batch innermost.

The channels of a row of pixels are neighbours, and so are those of kh rows together: a
matrix of kh·C rows and W·N columns, which is what a convolution multiplies. To the reader
the same memory is a tensor (N, C, H, W).
"""

import numpy as np

from ...backend import Array
from .memory import is_constant


def rows(x: Array) -> Array:
    """(N, C, H, W) -> (H, C, W·N), contiguous; copied only if x does not lie like that."""
    N, C, H, W = x.shape
    return np.ascontiguousarray(x.transpose(2, 1, 3, 0)).reshape(H, C, W * N)


def images(r: Array, N: int) -> Array:
    """(H, C, W·N) -> (N, C, H, W), the same memory."""
    H, C, L = r.shape
    return r.reshape(H, C, L // N, N).transpose(3, 1, 0, 2)


def result(r: Array, N: int) -> Array:
    """What an operation hands out: `images` of r, to which from now on nobody writes."""
    r.flags.writeable = False
    return images(r, N)


def are_constant_rows(x: Array) -> bool:
    """Whether x (N, C, H, W) lies in rows, and nobody can write to it."""
    return x.transpose(2, 1, 3, 0).flags.c_contiguous and is_constant(x)


def is_dense(a: Array) -> bool:
    """Whether the elements lie in memory without gaps, in whatever order of dimensions."""
    inner = a.itemsize
    for stride, size in sorted(zip(a.strides, a.shape, strict=True)):
        if size > 1 and stride != inner:
            return False
        inner *= size
    return True
