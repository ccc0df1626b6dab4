"""How arrays lie in the GPU's memory: the batch innermost, (C, H, W, N).

Threads next to each other work on images next to each other, and so read one run of memory; the
values of a channel are one run too, for batch norm. As a tensor it is (N, C, H, W).
"""

from typing import Any

import numpy as np

from ...backend import Array, load


def planes(x: Array) -> Array:
    """Return x (N, C, ...) as (C, ..., N), contiguous; copied only if it does not lie so."""
    return load("cupy").ascontiguousarray(x.transpose(*range(1, x.ndim), 0))


def images(p: Array) -> Array:
    """Return p (C, ..., N) as (N, C, ...), the same memory."""
    return p.transpose(p.ndim - 1, *range(p.ndim - 1))


def empty(shape: tuple[int, ...], dtype: Any = np.float32) -> Array:
    """Return an array of any content on the GPU."""
    return load("cupy").empty(shape, dtype)


def address(x: Any) -> int:
    """Return the address of the first element of an array in the GPU's memory."""
    return x.data.ptr


def are_maps(x: Any) -> bool:
    """Return whether x, an array or lazy, is feature maps in float32, as the kernels take them."""
    return x.ndim == 4 and x.dtype == np.float32 and are_counted(x.size)


def are_counted(*sizes: int) -> bool:
    """Return whether a kernel can count each of so many elements in an int, and there are some."""
    return all(0 < size < 2**31 for size in sizes)
