"""How the maps lie in the GPU's memory: (C, H, W, N), the batch innermost.

Threads next to each other work on images next to each other, and so read one run of memory; the
values of a channel are one run too, for batch norm. To the reader it is a tensor (N, C, H, W).
"""

from typing import Any

from ..backend import Array, load


def planes(x: Array) -> Array:
    """(N, C, H, W) -> (C, H, W, N), contiguous; copied only if x does not lie like that."""
    return load("cupy").ascontiguousarray(x.transpose(1, 2, 3, 0))


def images(p: Array) -> Array:
    """(C, H, W, N) -> (N, C, H, W), the same memory."""
    return p.transpose(3, 0, 1, 2)


def empty(shape: tuple[int, ...], dtype: Any = "float32") -> Array:
    """An array of any content on the GPU."""
    return load("cupy").empty(shape, dtype)
