"""Maps that are not computed yet: sums of scaled maps, and gradients that pass a gate.

Batch norm is a scale and a shift of each channel, a residual join a sum, and what comes next
is nearly always a ReLU. Done one after the other each reads and writes the whole batch, and
for that the memory is too slow. So they hand on promises, and whoever needs the numbers
computes all of it, tile by tile, while a tile is in cache.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from ...backend import Array, Promise
from .layout import are_constant_rows, result, rows
from .memory import empty
from .threads import spread

# Elements. A few arrays of a quarter of this would stay in the cache of a core, but threads that
# call NumPy more often wait more often for each other to let go of the interpreter.
_TILE = 1 << 19
_SHORT = 64  # elements of a row; of shorter ones, copies cost less than a call for each


def tile_height(shape: tuple[int, ...], channels: int) -> int:
    """How many rows of maps (H, C, L) make a tile of so many channels."""
    return min(shape[0], max(1, _TILE // (channels * shape[2])))


def tiles(height: int, step: int) -> Iterator[slice]:
    """`height` rows in steps."""
    return (slice(h, min(h + step, height)) for h in range(0, height, step))


def along(v: Array, L: int) -> Array:
    """v (C,), shaped to be combined with each row of maps (H, C, L).

    Where rows are short v is written out as (C, L), so that NumPy goes over the channels of a
    row in one go: for (28, 512, 28) in an eighth of the time.
    """
    return np.repeat(v, L).reshape(len(v), L) if L < _SHORT else v[:, None]


@lru_cache(maxsize=256)
def filled(value: float, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """One value many times: to compare with or to multiply by, faster than with the number."""
    array = np.full(shape, value, dtype)
    array.flags.writeable = False
    return array


class Maps(Promise):
    """Maps (H, C, L = W·N), to the reader (N, C, H, W), that can be computed by the tile.

    Attributes:
        shared: whether more than one will want it, so that the first should keep what it
            computes.
    """

    backend = "numpy"
    shared = False

    def __init__(self, like: Array, N: int) -> None:
        H, C, L = self.maps = like.shape
        self.N = N
        self.shape = (N, C, H, L // N)
        self.dtype = like.dtype

    def fill(self, h: slice, c: slice, out: Array, spare: Array) -> None:
        """Compute rows h of channels c into `out`; `spare` is room for another such tile."""
        raise NotImplementedError

    def compute(self) -> Array:
        y = empty(self.maps, self.dtype)

        def work(start: int, stop: int) -> None:
            step, c = tile_height(self.maps, stop - start), slice(start, stop)
            spare = empty((step, stop - start, self.maps[2]), self.dtype)
            for h in tiles(self.maps[0], step):
                out = y[h, c]
                self.fill(h, c, out, spare[: len(out)])

        spread(work, self.maps[1], 3 * y.size)
        return result(y, self.N)


class Combination(Maps):
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
        shift = np.add.reduce(shifts) if shifts else None
        return Combination(self.terms + other.terms, shift, self.N)

    def rectified(self) -> "Combination":
        """The ReLU of it."""
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
            row = (out.shape[1], L) if L < _SHORT else (L,)
            np.maximum(out, filled(0, row, self.dtype), out=out)


class Gated(Maps):
    """g where y > 0, and 0 elsewhere."""

    def __init__(self, g: Array | Maps, y: Array, N: int) -> None:
        super().__init__(y, N)
        self.g = g
        self.y = y

    def fill(self, h: slice, c: slice, out: Array, spare: Array) -> None:
        if isinstance(self.g, Maps):
            self.g.fill(h, c, spare, out)
            g = spare
        else:
            g = self.g[h, c]
        flags = np.greater(self.y[h, c], 0, out=empty(out.shape, np.dtype(bool)))
        gate(g, flags, out)


def gate(g: Array, flags: Array, out: Array) -> None:
    """out = g where a flag is set, 0 elsewhere; the flags are used up.

    Each becomes a whole number of all bits or none, to which g is added by "and": `where` takes
    ten times as long, and g · flag is NaN where g is infinite.
    """
    bytes_, whole = flags.view(np.int8), np.dtype(f"i{g.itemsize}")
    mask = out.view(whole)
    np.negative(bytes_, out=bytes_)
    np.copyto(mask, bytes_)
    np.bitwise_and(mask, g.view(whole), out=mask)


def in_rows(x: Any) -> Array | Maps:
    """Maps not computed yet as they are; of everything else the rows (H, C, L)."""
    if isinstance(x, Maps) and not x.is_kept:
        return x
    return rows(x.array() if isinstance(x, Promise) else x)


def is_combination(x: Array | Promise) -> bool:
    """Whether `combination` takes x: it lies in rows, and stays as it is."""
    if isinstance(x, Promise):
        return isinstance(x, Combination)
    return x.ndim == 4 and x.size > 0 and are_constant_rows(x)


def combination(x: Array | Combination) -> Combination:
    """x as a combination: itself, or one term."""
    return x if isinstance(x, Combination) else Combination([(rows(x), None)], None, len(x))
