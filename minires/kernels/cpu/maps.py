"""Lazy feature maps: sums of scaled maps, and gradients behind a ReLU mask.

Batch norm is a scale and a shift of each channel, residual addition a sum, and the next operation
is nearly always a ReLU. One after the other, each reads and writes the whole batch, and memory is
too slow for that. So they return lazy arrays, and the kernel that needs the numbers computes all
of it, tile by tile, while a tile is in cache.

Convolution, batch norm and ReLU together take 2 to 6 % less time like this with 16 and 32 channels,
forward and backward, and forward with 64 channels, where all is in cache anyway, 13 % more: the
second table of the ladder in ../README.md (AMD EPYC).
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from ...backend import Array
from ..lazy import LazyArray, realized
from .layout import are_constant_rows, result, rows
from .memory import empty
from .threads import parallel_for
from .tuning import tuning


def tile_height(shape: tuple[int, ...], channels: int) -> int:
    """Return how many rows of maps (H, C, L) make a tile of so many channels."""
    return min(shape[0], max(1, tuning.tile // (channels * shape[2])))


def tiles(height: int, step: int) -> Iterator[slice]:
    """Return `height` rows in steps."""
    return (slice(h, min(h + step, height)) for h in range(0, height, step))


def along(v: Array, L: int) -> Array:
    """Return v (C,) in a shape to be combined with each row of maps (H, C, L).

    Where rows are short, v is written out as (C, L), so that NumPy goes over the channels of a
    row in one go: for (16, 64, 64) in a tenth of the time, for (8, 64, 256) in half of it.
    """
    if tuning.repeated_row < L:
        return v[:, None]
    row = empty((len(v), L), v.dtype)
    row[...] = v[:, None]
    return row


@lru_cache(maxsize=256)
def filled(value: float, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return one value many times: operands of products are faster as arrays than as numbers."""
    array = np.full(shape, value, dtype)
    array.flags.writeable = False
    return array


class LazyMaps(LazyArray):
    """Feature maps (H, C, L = W·N), as a tensor (N, C, H, W), that are computed by the tile.

    Attributes:
        shared: whether more than one operation takes it, so that the first should keep the
            numbers it computes.
    """

    backend = "numpy"
    shared = False

    def __init__(self, like: Array, N: int) -> None:
        H, C, L = self.maps = like.shape
        self.N = N
        self.shape = (N, C, H, L // N)
        self.dtype = like.dtype

    def fill(self, h: slice, c: slice, out: Array, spare: Array) -> None:
        """Compute rows h of channels c into `out`; `spare` has room for another such tile."""
        raise NotImplementedError

    def compute(self) -> Array:
        y = empty(self.maps, self.dtype)

        def work(start: int, stop: int) -> None:
            step, c = tile_height(self.maps, stop - start), slice(start, stop)
            spare = empty((step, stop - start, self.maps[2]), self.dtype)
            for h in tiles(self.maps[0], step):
                out = y[h, c]
                self.fill(h, c, out, spare[: len(out)])

        parallel_for(work, self.maps[1], 3 * y.size)
        return result(y, self.N)


class Combination(LazyMaps):
    """Σ_k scale_k · x_k + shift, of maps x_k and a scale and a shift a channel.

    Args:
        terms: each x_k (H, C, L) and its scale (C,), None for 1.
        shift: (C,), or None for 0.
        N: images in the batch.
        floor: whether to take the ReLU of it.
    """

    def __init__(
        self,
        terms: list[tuple[Array, Array | None]],
        shift: Array | None,
        N: int,
        floor: bool = False,
    ) -> None:
        super().__init__(terms[0][0], N)
        self.terms = terms
        self.shift = shift
        self.floor = floor

    def __add__(self, other: "Combination") -> "Combination":
        shifts = [s for s in (self.shift, other.shift) if s is not None]
        shift = shifts[0] + shifts[1] if len(shifts) == 2 else next(iter(shifts), None)
        return Combination(self.terms + other.terms, shift, self.N)

    def rectified(self) -> "Combination":
        """Return the ReLU of it, lazy too."""
        return Combination(self.terms, self.shift, self.N, floor=True)

    def fill(self, h: slice, c: slice, out: Array, spare: Array) -> None:
        L = self.maps[2]
        (x, scale), *others = self.terms
        if scale is not None:
            np.multiply(x[h, c], along(scale[c], L), out=out)
        elif others and others[0][1] is None:
            np.add(x[h, c], others.pop(0)[0][h, c], out=out)
        else:
            np.copyto(out, x[h, c])
        for x, scale in others:
            if scale is None:
                np.add(out, x[h, c], out=out)
            else:
                np.multiply(x[h, c], along(scale[c], L), out=spare)
                np.add(out, spare, out=out)
        if self.shift is not None:
            np.add(out, along(self.shift[c], L), out=out)
        if self.floor:
            np.maximum(out, filled(0, out.shape[1:], self.dtype), out=out)


class Masked(LazyMaps):
    """The gradient behind a ReLU: g, but 0 where y ≤ 0."""

    def __init__(self, g: "Array | LazyMaps", y: Array, N: int) -> None:
        super().__init__(y, N)
        self.g = g
        self.y = y

    def fill(self, h: slice, c: slice, out: Array, spare: Array) -> None:
        if isinstance(self.g, LazyMaps):
            self.g.fill(h, c, spare, out)
            g = spare
        else:
            g = self.g[h, c]
        flags = np.less_equal(self.y[h, c], 0, out=empty(out.shape, np.dtype(bool)))
        masked(g, flags, out)


def masked(g: Array, flags: Array, out: Array) -> None:
    """Write 0 to `out` where a flag is set, g elsewhere; the flags are used up.

    Each becomes a whole number of no bits or all, to which g is added by "and": `where` takes
    ten times as long, and g · 0 is NaN where g is infinite.
    """
    bytes_, whole = flags.view(np.int8), np.dtype(f"i{g.itemsize}")
    mask = out.view(whole)
    np.subtract(bytes_, 1, out=bytes_)
    np.copyto(mask, bytes_)
    np.bitwise_and(mask, g.view(whole), out=mask)


def in_rows(x: Any) -> Array | LazyMaps:
    """Return lazy maps as they are, and the rows (H, C, L) of everything else."""
    if isinstance(x, LazyMaps) and not x.is_realized:
        return x
    return rows(realized(x))


def is_combination(x: Any) -> bool:
    """Return whether `combination` takes x: it lies in rows, and cannot change."""
    if isinstance(x, LazyArray):
        return isinstance(x, Combination)
    return x.ndim == 4 and x.size > 0 and are_constant_rows(x)


def combination(x: Any) -> Combination:
    """Return x as a combination: itself, or one term."""
    return x if isinstance(x, Combination) else Combination([(rows(x), None)], None, len(x))
