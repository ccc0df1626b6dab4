"""How arrays lie in the GPU's memory: the batch innermost, (C, H, W, N).

Threads next to each other work on images next to each other, and so read one run of memory; the
values of a channel are one run too, for batch norm. To the reader it is a tensor (N, C, H, W).
"""

import math
from typing import Any

import numpy as np

from ...backend import Array, load


def planes(x: Array) -> Array:
    """(N, C, ...) -> (C, ..., N), contiguous; copied only if x does not lie like that."""
    return load("cupy").ascontiguousarray(x.transpose(*range(1, x.ndim), 0))


def images(p: Array) -> Array:
    """(C, ..., N) -> (N, C, ...), the same memory."""
    return p.transpose(p.ndim - 1, *range(p.ndim - 1))


def empty(shape: tuple[int, ...], dtype: Any = np.float32) -> Array:
    """An array of any content on the GPU."""
    return load("cupy").empty(shape, dtype)


def address(x: Any) -> int:
    """Where the first element of an array lies in the GPU's memory."""
    return x.data.ptr


def are_maps(x: Any) -> bool:
    """Whether x, an array or the promise of one, is images in float32, of which the kernels are."""
    return len(x.shape) == 4 and x.dtype == np.float32 and math.prod(x.shape) > 0
