"""Maps that are sums of other maps, scaled and shifted by channel, and not computed yet.

Batch norm is a scale and a shift of each channel, a residual join a sum, and what comes next
is nearly always a ReLU. Done one after the other, each reads and writes the whole batch. As a
promise they pass from one to the next, and the ReLU computes all of it tile by tile.
"""

from collections.abc import Iterator

import numpy as np

from ..backend import Array, Promise
from .layout import images, rows
from .memory import empty, is_ours
from .threads import spread

_TILE = 1 << 15  # elements; a few arrays of them stay in the cache of a core

Index = tuple[slice, slice]


def tiles(shape: tuple[int, ...], start: int, stop: int) -> Iterator[Index]:
    """Indices (rows, channels) that cut channels [start, stop) of (H, C, L) into tiles."""
    H, _, L = shape
    step = max(1, _TILE // ((stop - start) * L))
    for h in range(0, H, step):
        yield slice(h, h + step), slice(start, stop)


def tile_of(shape: tuple[int, ...], start: int, stop: int, dtype: np.dtype) -> Array:
    """Room for the largest of `tiles(shape, start, stop)`."""
    H, _, L = shape
    step = max(1, _TILE // ((stop - start) * L))
    return empty((min(H, step), stop - start, L), dtype)


class Combination(Promise):
    """Σ_k scale_k · x_k + shift, of x_k (H, C, L) and a scale and shift a channel, (C,).

    Args:
        terms: x_k and its scale, None for 1.
        shift: None for 0.
        N: images in the batch.
    """

    backend = "numpy"

    def __init__(
        self, terms: list[tuple[Array, Array | None]], shift: Array | None, N: int
    ) -> None:
        self.terms = terms
        self.shift = shift
        self.N = N
        H, C, L = terms[0][0].shape
        self.shape = (N, C, H, L // N)
        self.dtype = terms[0][0].dtype

    def __add__(self, other: "Combination") -> "Combination":
        shifts = [s for s in (self.shift, other.shift) if s is not None]
        return Combination(self.terms + other.terms, sum(shifts) if shifts else None, self.N)

    def compute(self) -> Array:
        return self.rectified(floor=False)

    def rectified(self, floor: bool = True) -> Array:
        """The array, or its ReLU if `floor`."""
        shape = self.terms[0][0].shape
        y = empty(shape, self.dtype)
        zeros = np.zeros(shape[2], self.dtype)  # a row of them is faster than a number

        def work(start: int, stop: int) -> None:
            summand = tile_of(shape, start, stop, self.dtype)
            for tile in tiles(shape, start, stop):
                self.fill(tile, y[tile], summand)
                if floor:
                    np.maximum(y[tile], zeros, out=y[tile])

        spread(work, shape[1], y.size)
        return images(y, self.N)

    def fill(self, tile: Index, out: Array, summand: Array) -> None:
        """Compute one tile into `out`; `summand` is room for another."""
        channels = tile[1]
        for k, (x, scale) in enumerate(self.terms):
            if k == 0:
                if scale is None:
                    np.copyto(out, x[tile])
                else:
                    np.multiply(x[tile], scale[channels, None], out=out)
            elif scale is None:
                np.add(out, x[tile], out=out)
            else:
                more = summand[: len(out)]
                np.multiply(x[tile], scale[channels, None], out=more)
                np.add(out, more, out=out)
        if self.shift is not None:
            np.add(out, self.shift[channels, None], out=out)


def combination(x: Array | Promise) -> Combination | None:
    """x as a combination, if it is one, or maps that lie as ours and that nobody writes to."""
    if isinstance(x, Combination):
        return x
    if isinstance(x, Promise) or x.ndim != 4 or not is_ours(x):
        return None
    if not x.transpose(2, 1, 3, 0).flags.c_contiguous:
        return None
    return Combination([(rows(x), None)], None, x.shape[0])
