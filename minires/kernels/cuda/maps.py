"""Lazy feature maps on a GPU: sums of scaled maps, and gradients behind a ReLU mask.

As on the CPU, batch norm, residual addition and ReLU return lazy arrays, and one kernel computes
what would be a pass through memory each. The kernels of batch norm read a gradient through its ReLU
mask themselves. An array on a GPU cannot be protected from being written to: until a lazy array is
computed, the arrays it is made from must not be changed. It is an error if minires itself did.

Not measured on a GPU yet.
"""

import math
from collections.abc import Iterable

import numpy as np

from ...backend import Array, later_write, moment
from ...errors import GraphError
from ..lazy import LazyArray, realized
from .launch import blocks, launch, over
from .layout import empty, images, planes


class LazyMaps(LazyArray):
    """Feature maps (C, H, W, N) in float32, as a tensor (N, C, H, W)."""

    backend = "cupy"
    dtype = np.dtype(np.float32)

    def __init__(self, maps: tuple[int, ...]) -> None:
        self.maps = C, H, W, N = maps
        self.shape = (N, C, H, W)


class Combination(LazyMaps):
    """scale_a · a + scale_b · b + shift, of one map or two, a scale and a shift a channel.

    Args:
        terms: each map (C, H, W, N) and its scale (C,), None for 1.
        shift: (C,), or None for 0.
    """

    def __init__(self, terms: list[tuple[Array, Array | None]], shift: Array | None) -> None:
        super().__init__(terms[0][0].shape)
        self.terms = terms
        self.shift = shift
        self.moment = moment()

    def compute(self) -> Array:
        return self.write(rectify=False)

    def rectified(self) -> Array | LazyArray:
        """Return the ReLU of it, computed unless it is of one map with a scale and a shift."""
        (_, scale), *others = self.terms
        lazy = scale is not None and self.shift is not None and not others
        return Rectified(self) if lazy else self.write(rectify=True)

    def plus(self, other: "Combination") -> "Combination":
        """Return the sum of two of one term each."""
        shifts = [s for s in (self.shift, other.shift) if s is not None]
        shift = shifts[0] + shifts[1] if len(shifts) == 2 else next(iter(shifts), None)
        return Combination(self.terms + other.terms, shift)

    def write(self, rectify: bool) -> Array:
        """Return it or its ReLU, computed."""
        self.expect_unchanged()
        (a, scale_a), (b, scale_b) = [*self.terms, (None, None)][:2]
        C, M = self.maps[0], math.prod(self.maps[1:])
        y = empty(self.maps)
        arguments = (a, scale_a, b, scale_b, self.shift, y, M, rectify)
        launch("maps", "combine", (blocks(M), C), *arguments)
        return images(y)

    def expect_unchanged(self) -> None:
        """Raise GraphError if minires has written to a map since this was made."""
        expect_unchanged([x for x, _ in self.terms], self.moment)


class Rectified(LazyMaps):
    """The ReLU of scale · x + shift, of one map.

    A convolution computes it as it reads x, and so does the batch norm's backward that needs its
    mask: between the two convolutions of a block no map is written but x.
    """

    def __init__(self, of: Combination) -> None:
        super().__init__(of.maps)
        self.of = of

    def compute(self) -> Array:
        return self.of.write(rectify=True)


class Masked(LazyMaps):
    """The gradient behind a ReLU: g (C, H, W, N), but 0 where y (N, C, H, W) ≤ 0."""

    def __init__(self, g: Array, y: Array | Rectified) -> None:
        super().__init__(g.shape)
        self.g = g
        self.y = y

    def compute(self) -> Array:
        return self.plus(None)

    def plus(self, other: Array | None) -> Array:
        """Return the sum with another gradient (C, H, W, N), if there is one."""
        out = empty(self.maps)
        over("maps", "mask", out.size, self.g, planes(realized(self.y)), other, out)
        return images(out)


def expect_unchanged(arrays: Iterable[Array], since: int) -> None:
    """Raise GraphError if minires has written to one of them after that moment."""
    for x in arrays:
        if write := later_write(x, than=since):
            raise GraphError(
                f"{write.writer} has changed {write.name or 'an array'} of shape {x.shape}, "
                f"which a result is still to be computed from; read its data before "
                f"{write.writer}"
            )


def combination(x: Array | LazyArray) -> Combination:
    """Return x as a combination of one term: itself, or the array that it is."""
    if isinstance(x, Combination) and len(x.terms) == 1 and not x.is_realized:
        return x
    return Combination([(planes(realized(x)), None)], None)


def unmasked(gy: Array | LazyArray) -> tuple[Array, Array | None]:
    """Return a gradient (C, H, W, N), and the y of a ReLU mask still to be applied, or None."""
    if isinstance(gy, Masked) and not gy.is_realized:
        return gy.g, planes(realized(gy.y))
    return planes(realized(gy)), None


def behind_mask(gy: Array | LazyArray, x: Array) -> tuple[Array | None, ...]:
    """Return what `unmasked` does, and a scale and a shift.

    Where y is the ReLU of scale · x + shift and not computed, these come in its place.
    """
    if isinstance(gy, Masked) and not gy.is_realized:
        of, scale, shift = unrectified(gy.y)
        if scale is not None and of is x:
            return gy.g, None, scale, shift
    return *unmasked(gy), None, None


def unrectified(x: Array | LazyArray) -> tuple[Array, Array | None, Array | None]:
    """Return maps, and the scale and shift whose ReLU is still to be computed, or None."""
    if isinstance(x, Rectified) and not x.is_realized:
        x.of.expect_unchanged()
        (maps, scale), shift = x.of.terms[0], x.of.shift
        return maps, scale, shift
    return planes(realized(x)), None, None
