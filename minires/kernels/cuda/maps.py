"""Maps on a GPU that are not computed yet: sums of scaled maps, and gradients that pass a gate.

As in `maps`, batch norm, residual join and ReLU hand on promises, and one kernel computes what
would be a pass through memory each. Where a gradient has a gate to pass, the kernels of batch norm
look at the gate themselves. An array on a GPU cannot be protected from being written to: until a
promise is computed, nobody may change the arrays that it was made from.
"""

import math

from ...backend import Array, Promise, settled
from .launch import blocks, launch, over
from .layout import empty, images, planes


class Maps(Promise):
    """Maps (C, H, W, N), to the reader (N, C, H, W)."""

    backend = "cupy"

    def __init__(self, like: Array) -> None:
        self.maps = C, H, W, N = like.shape
        self.shape = (N, C, H, W)
        self.dtype = like.dtype


class Combination(Maps):
    """scale_a · a + scale_b · b + shift, of one map or two, a scale and a shift a channel.

    Args:
        terms: each map (C, H, W, N) and its scale (C,), None for 1.
        shift: (C,), or None for 0.
    """

    def __init__(self, terms: list[tuple[Array, Array | None]], shift: Array | None) -> None:
        super().__init__(terms[0][0])
        self.terms = terms
        self.shift = shift

    def compute(self) -> Array:
        return self._write(rectify=False)

    def rectified(self) -> Array:
        """The ReLU of it, computed."""
        return self._write(rectify=True)

    def plus(self, other: "Combination") -> "Combination":
        """The sum of two of one term each."""
        shifts = [s for s in (self.shift, other.shift) if s is not None]
        shift = shifts[0] + shifts[1] if len(shifts) == 2 else next(iter(shifts), None)
        return Combination(self.terms + other.terms, shift)

    def _write(self, rectify: bool) -> Array:
        (a, scale_a), (b, scale_b) = [*self.terms, (None, None)][:2]
        C, M = self.maps[0], math.prod(self.maps[1:])
        y = empty(self.maps)
        arguments = (a, scale_a, b, scale_b, self.shift, y, M, rectify)
        launch("maps", "combine", (blocks(M), C), *arguments)
        return images(y)


class Gated(Maps):
    """g where y > 0, and 0 elsewhere; both (C, H, W, N)."""

    def __init__(self, g: Array, y: Array) -> None:
        super().__init__(y)
        self.g = g
        self.y = y

    def compute(self) -> Array:
        return self.plus(None)

    def plus(self, other: Array | None) -> Array:
        """The sum with another gradient (C, H, W, N), if there is one."""
        out = empty(self.maps)
        over("maps", "gate", out.size, self.g, self.y, other, out)
        return images(out)


def combination(x: Array | Promise) -> Combination:
    """x as a combination of one term: itself, or the array that it is."""
    if isinstance(x, Combination) and len(x.terms) == 1 and not x.is_kept:
        return x
    return Combination([(planes(settled(x)), None)], None)


def gate_of(gy: Array | Promise) -> tuple[Array, Array | None]:
    """A gradient (C, H, W, N), and the y that is its gate still; None for none."""
    if isinstance(gy, Gated) and not gy.is_kept:
        return gy.g, gy.y
    return planes(settled(gy)), None
