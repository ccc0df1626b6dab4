"""Convolution without a column matrix.

In memory (H, C, W, N) the pixels of kh rows are one matrix of kh·C rows and W·N columns,
and column v of the kernel sees it shifted by v·N. So a row of the result is kw products
with the pixels as they lie, added up while they are in cache:

    Y_i = Σ_v W_v X_i[:, v·N : v·N + Wo·N]          (O, kh·C) (kh·C, Wo·N) -> (O, Wo·N)
    gW_v = Σ_i gY_i X_i[:, v·N : v·N + Wo·N]ᵀ        (O, Wo·N) (Wo·N, kh·C) -> (O, kh·C)

and gx is the first of these again, with gy for x and the kernel turned round. Nothing is
copied, and what lies on padding is not multiplied at all. Where a row of pixels lies in its
strip is worked out once for all convolutions of the same shapes.
"""

import math
from functools import cached_property, lru_cache

import numpy as np

from ... import ops
from ...autograd import Gradients
from ...backend import Array
from ...modes import twin
from ...ops.windows import Pair
from .columns import ColumnCorrelation, are_few
from .gemm import effort, product, product_transposed
from .layout import result, rows
from .memory import empty
from .strips import Strips, Walk, widened
from .threads import spread

_TILE = 1 << 19  # elements of y worked on at a time: they, and x under them, stay in cache
_FEW = 24  # rows kh·C of a matrix; with fewer, one product of kw times as many is faster
_SHORT, _LITTLE = 160, 1e6  # columns and effort; below, weight gradients are taken by pixels


@twin(ops.conv.Conv2d, "numpy")
class Conv2d(ops.conv.Conv2d):
    """The textbook's convolution, as sums of products on pixels where they lie."""

    def suits(self, x: Array, w: Array, b: Array | None) -> bool:
        return math.prod(x.shape) > 0 and w.size > 0

    def forward(self, x: Array, w: Array, b: Array | None) -> Array:
        out = self.output_size(x, w, b)
        self.plan = plan(x.shape, w.shape, self.stride, self.padding, out)
        y = self.plan.correlation(rows(x), w)
        if b is not None:
            y += b[:, None]
        self.save(x, w)
        return result(y, x.shape[0])

    def backward(self, gy: Array) -> Gradients:
        x, w = self.saved
        N, g = x.shape[0], rows(gy)
        gx = gw = gb = None
        if self.needs_grad[0]:
            gx = result(self.plan.scatter(g, w), N)
        if self.needs_grad[1]:
            gw = self.plan.weight_gradient(rows(x), g)
        if self.needs_grad[2]:
            gb = g.sum(axis=(0, 2))
        return gx, gw, gb


class Plan:
    """What the shapes of a convolution decide."""

    def __init__(
        self, x: tuple[int, ...], w: tuple[int, ...], stride: Pair, padding: Pair, out: Pair
    ) -> None:
        (O, C, *kernel), self.N = w, x[0]
        self.O, self.C = O, C
        self.down, self.across = (
            Walk(kernel[d], stride[d], -padding[d], x[2 + d], out[d]) for d in (0, 1)
        )

    @cached_property
    def correlation(self) -> "Correlation | ColumnCorrelation":
        """Of forward."""
        return correlation(self.O, self.C, self.down, self.across, self.N)

    @cached_property
    def scatter(self) -> "Scatter":
        """Of the gradient of x."""
        return Scatter(self.O, self.C, self.down, self.across, self.N)

    @cached_property
    def weight_gradient(self) -> "WeightGradient":
        """Of the gradient of w."""
        return WeightGradient(self.O, self.C, self.down, self.across, self.N)


plan = lru_cache(maxsize=1024)(Plan)


def correlation(
    O: int, C: int, down: Walk, across: Walk, N: int
) -> "Correlation | ColumnCorrelation":
    """What correlates maps of such rows."""
    kind = ColumnCorrelation if are_few(across, N) else Correlation
    return kind(O, C, down, across, N)


class Correlation:
    """y_i = Σ_v W_v X_i, shifted: (H, C, W·N), (O, C, kh, kw) -> (Ho, O, Wo·N)."""

    def __init__(self, O: int, C: int, down: Walk, across: Walk, N: int) -> None:
        self.N = N
        self.widening = across if across.k > 1 and down.k * C < _FEW else None
        if self.widening:
            C, across = across.k * C, _beside_each_other(across)
        self.y = (down.out, O, across.out * N)
        self.cut = Strips(down, across, N, max(1, _TILE // max(1, O * across.out * N)))
        self.effort = effort(math.prod(self.y), down.k * across.k * C)

    def __call__(self, x: Array, w: Array) -> Array:
        if self.widening:
            x = widened(x, self.N, self.widening)
            O, C, kh, kw = w.shape
            w = w.transpose(0, 3, 1, 2).reshape(O, kw * C, kh, 1)
        cut = self.cut
        x = cut.padded(x)
        W = np.ascontiguousarray(w.transpose(3, 0, 2, 1))  # (kw, O, kh, C)
        y = empty(self.y, x.dtype)

        def work(start: int, stop: int) -> None:
            summand = empty((min(cut.most, stop - start), *self.y[1:]), x.dtype)
            for i0, i1, u0, u1 in cut.runs(start, stop):
                if not cut.covered or u0 == u1:
                    y[i0:i1] = 0
                if u0 == u1:
                    continue
                phases = cut.phases(x, i0, i1, u0, u1)
                kernels = W[:, :, u0:u1].reshape(*W.shape[:2], (u1 - u0) * W.shape[3])
                for n, (v, windows, phase, pixels) in enumerate(cut.taps):
                    part = y[i0:i1, :, windows]
                    if n == 0 and cut.covered:
                        product(kernels[v], phases[phase][:, :, pixels], part)
                    else:
                        more = summand[: i1 - i0, :, : part.shape[2]]
                        product(kernels[v], phases[phase][:, :, pixels], more)
                        np.add(part, more, out=part)

        spread(work, self.y[0], self.effort)
        return y


class Scatter:
    """gx: what each pixel gave to the windows it was in: (Ho, O, Wo·N) -> (H, C, W·N).

    The pixels that have the same place in a stride were met by the same places of the kernel,
    so each such set is a correlation, of stride 1, of gy with a part of the kernel turned round.

    Attributes:
        gathered: for each place in a stride: its pixels, the kernel's places that met them, last
            first, and the correlation of gy with these.
    """

    def __init__(self, O: int, C: int, down: Walk, across: Walk, N: int) -> None:
        self.gx = (down.size, C, across.size, N)
        self.gathered = []
        for row in range(down.stride):
            above, back_down = down.turned(row)
            for column in range(across.stride):
                beside, back_across = across.turned(column)
                pixels = slice(row, None, down.stride), slice(column, None, across.stride)
                gather = correlation(C, O, back_down, back_across, N)
                self.gathered.append((pixels, (above, beside), gather))

    def __call__(self, g: Array, w: Array) -> Array:
        H, C, W, N = self.gx
        turned = w.swapaxes(0, 1)
        if len(self.gathered) == 1:
            _, met, gather = self.gathered[0]
            return gather(g, turned[:, :, *met])
        gX = empty((H, C, W * N), g.dtype)
        gx = gX.reshape(self.gx)
        for (down, across), met, gather in self.gathered:
            part = gx[down, :, across]
            part[...] = gather(g, turned[:, :, *met]).reshape(part.shape)
        return gX


class WeightGradient:
    """gW_v = Σ_i gY_i X_iᵀ, shifted: (H, C, W·N), (Ho, O, Wo·N) -> (O, C, kh, kw)."""

    def __init__(self, O: int, C: int, down: Walk, across: Walk, N: int) -> None:
        self.N = N
        self.w = (O, C, down.k, across.k)
        self.widening = across if across.k > 1 and down.k * C < _FEW else None
        if self.widening:
            C, across = across.k * C, _beside_each_other(across)
        self.gW = (across.k, O, down.k, C)
        self.Ho = down.out
        self.cut = Strips(down, across, N, max(1, _TILE // (O * across.out * N)))
        self.effort = effort(down.out * O * across.out * N, down.k * across.k * C)
        short = across.out * N <= _SHORT and down.stride == across.stride == 1
        self.by_pixels = short and self.effort <= _LITTLE

    def __call__(self, x: Array, g: Array) -> Array:
        if self.widening:
            x = widened(x, self.N, self.widening)
        gW = self._by_pixels(x, g) if self.by_pixels else self._by_rows(x, g)  # (kw, O, kh, C)
        if self.widening:
            O, C, kh, kw = self.w
            return gW.reshape(O, kh, kw, C).transpose(0, 3, 1, 2)
        return gW.transpose(1, 3, 2, 0)

    def _by_rows(self, x: Array, g: Array) -> Array:
        """Σ_i of products (O, Wo·N) (Wo·N, kh·C)."""
        cut = self.cut
        x = cut.padded(x)
        shares: dict[int, Array] = {}

        def work(start: int, stop: int) -> None:
            gW = shares[start] = np.zeros(self.gW, x.dtype)
            runs = cut.runs(start, stop)
            for i0, i1, u0, u1 in runs:
                if u0 == u1:
                    continue
                phases = cut.phases(x, i0, i1, u0, u1)
                for v, windows, phase, pixels in cut.taps:
                    seen = gW[v, :, u0:u1].reshape(len(gW[v]), -1)
                    more = seen if len(runs) == 1 else np.empty_like(seen)
                    product_transposed(g[i0:i1, :, windows], phases[phase][:, :, pixels], more)
                    if more is not seen:
                        seen += more

        spread(work, self.Ho, self.effort)
        first, *others = (shares[start] for start in sorted(shares))  # whoever was done first
        for share in others:
            first += share
        return first

    def _by_pixels(self, x: Array, g: Array) -> Array:
        """The same with the channels of a pixel side by side, (O, Wo·N) (Wo·N, C), for short rows:
        their sums have few terms, and are up to twice as fast like this."""
        kw, O, kh, C = self.gW
        beside = self.cut.beside_each_other(x)  # (H, W·N, C) between zeros
        row, pixel, channel = beside.strides
        gW = np.zeros((kw, kh, O, C), x.dtype)
        for v, windows, _, pixels in self.cut.taps:
            shape = self.Ho, kh, pixels.stop - pixels.start, C
            first = pixels.start * pixel
            under = np.ndarray(shape, x.dtype, beside, first, (row, row, pixel, channel))
            np.add.reduce(np.matmul(g[:, None, :, windows], under), out=gW[v])
        return np.ascontiguousarray(gW.swapaxes(1, 2))


def _beside_each_other(across: Walk) -> Walk:
    """The walk over pixels that were `widened`: each window is in one place."""
    return Walk(1, 1, 0, across.out, across.out)
