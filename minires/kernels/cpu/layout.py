"""How feature maps lie in memory: (H, C, W, N), the batch innermost.

The channels of a row of pixels are neighbours, and so are those of kh rows together: a
matrix of kh·C rows and W·N columns, which is what a convolution multiplies. As a tensor the
same memory is (N, C, H, W).

A convolution on memory that lies so needs no column matrix, and takes 0.45 to 0.8 of the
reference's time: v1 beside v0 in the ladder of ../README.md (AMD EPYC).
"""

import numpy as np

from ...backend import Array, guarded
from .memory import contiguous, is_constant


def rows(x: Array) -> Array:
    """Return x (N, C, H, W) as (H, C, W·N), contiguous; copied only if it does not lie so."""
    N, C, H, W = x.shape
    return contiguous(x.transpose(2, 1, 3, 0)).reshape(H, C, W * N)


def images(r: Array, N: int) -> Array:
    """Return r (H, C, W·N) as (N, C, H, W), the same memory."""
    H, C, L = r.shape
    return r.reshape(H, C, L // N, N).transpose(3, 1, 0, 2)


def result(r: Array, N: int) -> Array:
    """Return `images` of r as an operation's output, no longer writeable."""
    r.flags.writeable = False
    return images(r, N)


def are_constant_rows(x: Array) -> bool:
    """Return whether x (N, C, H, W) lies in rows, and cannot be written to."""
    return x.transpose(2, 1, 3, 0).flags.c_contiguous and is_constant(x)


def is_finite(a: Array) -> bool:
    """Return whether no element is NaN or infinite, in half the time of `isfinite(a).all()`."""
    return bool(guarded(_is_finite, a))


def _is_finite(a: Array) -> bool:
    return bool(np.logical_and.reduce(np.isfinite(a.ravel(order="K"))))
