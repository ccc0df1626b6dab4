"""Convolution on a GPU: three matrix products whose second factor is never made; see conv.cu.

Not measured on a GPU yet.
"""

import math
from functools import lru_cache
from typing import Any, TypeAlias

from ... import ops
from ...backend import Array, expect_tf32, load, moment
from ...modes import modes
from ...ops import Gradients, Pair
from ...ops.windows import output_size
from ..geometry import Axis, axes
from ..lazy import realized
from ..registry import Kernel, register
from .beside import begun
from .launch import blocks, launch, structure
from .layout import are_counted, are_maps, empty, images, planes
from .maps import LazyMaps, expect_unchanged, unrectified
from .statistics import NO_STATISTICS, Parts
from .tiles import BLOCKS, correlation_tile, gradient_tile

Maps: TypeAlias = tuple[Array, Array | None, Array | None]  # see `unrectified`
LANES = 32  # numbers that a block adds up from their parts


@register(ops.Conv2d, "cupy")
class CudaConv2d(Kernel):
    """Convolution in hand-written kernels, in float32 or within `tf32`."""

    takes_lazy = True
    fresh = True

    def suits(self, op: ops.Conv2d, x: Any, w: Array, b: Array | None) -> bool:
        if not are_maps(x) or w.size == 0:
            return False
        out = output_size(x.shape, w.shape[2:], op.stride, op.padding)
        return are_counted(x.shape[0] * w.shape[0] * math.prod(out))

    def forward(self, op: ops.Conv2d, x: Any, w: Any, b: Any) -> Any:
        w, b = realized(w), realized(b)
        p = plan(x.shape, w.shape, op.stride, op.padding, modes.tf32)
        maps = unrectified(x)
        op.save(*maps, w, p)
        return LazyConvolution(p, maps, w) if b is None else images(p.forward(maps, w, b))

    def backward(self, op: ops.Conv2d, gy: Any) -> Gradients:
        *maps, w, p = op.saved
        return p.backward(maps, w, planes(realized(gy)), op.needs_grad)


class Plan:
    """What depends on the shapes of a convolution alone, and whether it uses TF32."""

    def __init__(
        self, x: tuple[int, ...], w: tuple[int, ...], stride: Pair, padding: Pair, tf32: bool
    ) -> None:
        if tf32:
            expect_tf32()
        O, C, *kernel = w
        N = x[0]
        down, across = axes(x, tuple(kernel), stride, padding)
        self.y = (O, down.out, across.out, N)
        self.correlation = Correlation(O, C, down, across, N, tf32)
        self.input_gradient = InputGradient(O, C, down, across, N, tf32)
        self.weight_gradient = WeightGradient(O, C, down, across, N, tf32)

    def forward(
        self, x: Maps, w: Array, b: Array | None, statistics: Array = NO_STATISTICS
    ) -> Array:
        """(C, H, W, N), (O, C, kh, kw), (O,) -> (O, Ho, Wo, N)."""
        y = empty(self.y)
        self.correlation(x, w, y, statistics=statistics)
        if b is not None:
            y += b[:, None, None, None]
        return y

    def backward(self, x: Maps, w: Array, g: Array, wanted: tuple[bool, ...]) -> Any:
        """(C, H, W, N), (O, C, kh, kw), (O, Ho, Wo, N) -> those of gx, gw, gb that are wanted."""
        gx = gw = gb = None
        if wanted[0]:
            gx = LazyInputGradient(self.input_gradient, g, w)
        if wanted[1]:
            gw = begun(self.weight_gradient, load("cupy").empty_like(w), x, g)
        if wanted[2]:
            gb = g.sum(axis=(1, 2, 3))
        return gx, gw, gb


plan = lru_cache(maxsize=1024)(Plan)


class LazyConvolution(LazyMaps):
    """y, whose kernel can take the statistics of a batch norm that comes next.

    Attributes:
        parts: which each channel is then cut into.
    """

    def __init__(self, plan: Plan, x: Maps, w: Array) -> None:
        super().__init__(plan.y)
        self.parts = plan.correlation.parts
        self.arguments = plan, x, w
        self.moment = moment()

    def compute(self) -> Array:
        return self._written(NO_STATISTICS)

    def realize_with(self, statistics: Array) -> Array:
        """Return y, computed now, once these are filled in too."""
        self.realized_as(self._written(statistics))
        return self.realize()

    def _written(self, statistics: Array) -> Array:
        plan, x, w = self.arguments
        expect_unchanged((x[0], w), self.moment)
        return images(plan.forward(x, w, None, statistics))


class Correlation:
    """y_ij = Σ_uv w_uv x_(i+u)(j+v): (C, H, W, N), (O, C, kh, kw) -> (O, Ho, Wo, N)."""

    def __init__(self, O: int, C: int, down: Axis, across: Axis, N: int, tf32: bool) -> None:
        self.O = O
        self.maps = _maps(C, down, across, N)
        columns = down.out * across.out * N
        tile = correlation_tile(O, C, columns)
        self.settings = tile.settings(tf32)
        self.grid = blocks(columns, tile.BQ), blocks(O, tile.BR)
        self.parts = Parts(columns, tile.BQ, self.grid[0])

    def __call__(
        self,
        x: Maps,
        w: Array,
        y: Array,
        other: Array | None = None,
        mask: Array | None = None,
        statistics: Array = NO_STATISTICS,
    ) -> None:
        sizes = self.maps, _strides(w), _strides(y), self.O
        arguments = (*x, w, y, other, mask, *sizes, statistics)
        launch("conv", "correlate", self.grid, *arguments, **self.settings, **_relu(x))


class InputGradient:
    """gx: what each pixel gave to its windows: (O, Ho, Wo, N) -> (C, H, W, N).

    The pixels of one stride phase lie under the same taps of the kernel, so for each phase gx is a
    correlation, of stride 1, of gy with a part of the kernel turned round.

    Attributes:
        maps: the shape of gx.
        phases: for each stride phase its pixels, the taps over them, the last one first,
            and the correlation of gy with these.
    """

    def __init__(self, O: int, C: int, down: Axis, across: Axis, N: int, tf32: bool) -> None:
        self.maps = (C, down.size, across.size, N)
        self.phases = []
        for row in range(min(down.stride, down.size)):
            taps_down, back_down = down.transposed(row)
            for column in range(min(across.stride, across.size)):
                taps_across, back_across = across.transposed(column)
                pixels = slice(row, None, down.stride), slice(column, None, across.stride)
                gather = Correlation(C, O, back_down, back_across, N, tf32)
                self.phases.append((pixels, (taps_down, taps_across), gather))

    def __call__(self, g: Array, w: Array, other: Array | None, mask: Array | None) -> Array:
        gx, turned = empty(self.maps), w.swapaxes(0, 1)
        for pixels, taps, gather in self.phases:
            added, behind = (None if a is None else a[:, *pixels] for a in (other, mask))
            gather((g, None, None), turned[:, :, *taps], gx[:, *pixels], added, behind)
        return gx


class LazyInputGradient(LazyMaps):
    """gx, to which another gradient can be added as it is written."""

    def __init__(self, compute: InputGradient, g: Array, w: Array) -> None:
        super().__init__(compute.maps)
        self.arguments = compute, g, w

    def compute(self) -> Array:
        return self.plus(None, None)

    def plus(self, other: Array | None, mask: Array | None) -> Array:
        """Return the sum with another gradient, 0 where `mask` ≤ 0 if given; both (C, H, W, N)."""
        compute, g, w = self.arguments
        return images(compute(g, w, other, mask))


class WeightGradient:
    """gw_uv = Σ_ij gy_ij x_(i+u)(j+v)ᵀ: (C, H, W, N), (O, Ho, Wo, N) -> (O, C, kh, kw)."""

    def __init__(self, O: int, C: int, down: Axis, across: Axis, N: int, tf32: bool) -> None:
        self.O, self.depth = O, down.taps * across.taps * C
        self.maps = _maps(C, down, across, N)
        tile = gradient_tile(O)
        self.settings = tile.settings(tf32)
        tiles = blocks(self.depth, tile.BQ), blocks(O, tile.BR)
        steps = blocks(down.out * across.out * N, tile.BK)
        a_part = math.ceil(steps / blocks(BLOCKS, tiles[0] * tiles[1]))
        self.columns_a_part, self.parts = a_part * tile.BK, blocks(steps, a_part)
        self.grid = (*tiles, self.parts)

    def __call__(self, x: Maps, g: Array, gw: Array) -> None:
        parts = empty((self.parts, self.O, self.depth))
        arguments = (*x, g, parts, self.maps, self.O, self.columns_a_part)
        name = "weight_gradient"
        launch(name, name, self.grid, *arguments, **self.settings, **_relu(x))
        grid = (blocks(self.O * self.depth, LANES),)
        sizes = self.maps, _strides(gw), self.O, self.parts
        launch("parts", "add_parts", grid, parts, gw, *sizes, LANES=LANES)


def _relu(x: Maps) -> dict[str, int]:
    """The macro of a kernel that reads x, if it has to compute the ReLU."""
    return {} if x[1] is None else {"RELU": 1}


def _maps(C: int, down: Axis, across: Axis, N: int) -> Array:
    """The structure Maps of conv.cu."""
    windows = (C, down.size, across.size, down.out, across.out, N, down.taps, across.taps)
    return structure(*windows, down.stride, across.stride, down.first, across.first)


def _strides(a: Array) -> Array:
    """The structure Strides of conv.cu: those of an array of four dimensions, in elements."""
    return structure(*(stride // a.itemsize for stride in a.strides))
