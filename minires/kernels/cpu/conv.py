"""Convolution without a column matrix.

In memory (H, C, W, N) the pixels of kh rows are one matrix of kh·C rows and W·N columns,
and column v of the kernel sees it shifted by v·N. So a row of the result is kw products
with the pixels as they lie, added up while they are in cache:

    Y_i = Σ_v W_v X_i[:, v·N : v·N + Wo·N]          (O, kh·C) (kh·C, Wo·N) -> (O, Wo·N)
    gW_v = Σ_i gY_i X_i[:, v·N : v·N + Wo·N]ᵀ        (O, Wo·N) (Wo·N, kh·C) -> (O, kh·C)

and gx is the first of these again, with gy for x and the kernel turned round. Nothing is
copied, and what lies on padding is not multiplied at all.

On layers of resnet-20 at batch 128, forward and backward (one thread, AMD EPYC), 2.0 (64 channels)
to 2.5 times (16 channels) the reference's speed: v4 beside v0 in the ladder of ../README.md.
"""

import math
from functools import cached_property, lru_cache

import numpy as np

from ... import ops
from ...backend import Array
from ...modes import modes
from ...ops import Gradients
from ..geometry import Axis, axes
from ..registry import Kernel, register
from .columns import ColumnCorrelation, JoinedWeightGradient, are_few
from .gemm import product, product_transposed
from .layout import is_finite, result, rows
from .memory import contiguous, empty, zeros
from .strips import Strips, widened
from .threads import parallel_for
from .tuning import derived, tuning


@register(ops.Conv2d, "numpy")
class CpuConv2d(Kernel):
    """Convolution as sums of matrix products on pixels where they lie.

    Zeros of padding are left out here, and others are multiplied: which is the same unless a weight
    or a gradient is NaN or infinite. Then the reference computes it.
    """

    fresh = True

    def suits(self, op: ops.Conv2d, x: Array, w: Array, b: Array | None) -> bool:
        if x.size == 0 or w.size == 0 or x.ndim != 4 or w.ndim != 4:
            return False
        p = plan(x.shape, w.shape, op.stride, op.padding)
        return p.exact or (p.exact_forward and not modes.grad_enabled) or is_finite(w)

    def forward(self, op: ops.Conv2d, x: Array, w: Array, b: Array | None) -> Array:
        p = plan(x.shape, w.shape, op.stride, op.padding)
        y = p.correlation(rows(x), w)
        if b is not None:
            y += b[:, None]
        op.save(x, w, p)
        return result(y, x.shape[0])

    def backward(self, op: ops.Conv2d, gy: Array) -> Gradients:
        x, w, p = op.saved
        N, g = x.shape[0], rows(gy)
        gx = gw = gb = None
        if op.needs_grad[0]:
            gx = result(p.input_gradient(g, w), N)
        if op.needs_grad[1]:
            gw = p.weight_gradient(rows(x), g)
        if op.needs_grad[2]:
            gb = g.sum(axis=(0, 2))
        if gw is not None and not p.exact and not is_finite(gw):
            op.saved = x, w  # as the reference has them
            try:
                return op.backward(gy)
            finally:
                op.saved = x, w, p
        return gx, gw, gb


class Plan:
    """What depends on the shapes of a convolution alone, worked out once for each."""

    def __init__(
        self, x: tuple[int, ...], w: tuple[int, ...], stride: ops.Pair, padding: ops.Pair
    ) -> None:
        O, C, *kernel = w
        self.sizes = (O, C, *axes(x, tuple(kernel), stride, padding), x[0])

    @cached_property
    def exact(self) -> bool:
        """Whether no zero of padding is multiplied, neither by the reference nor here."""
        _, _, down, across, _ = self.sizes
        return down.taps == across.taps == 1 and not (down.first or across.first)

    @cached_property
    def exact_forward(self) -> bool:
        """Whether y is computed with the products with zeros that the reference has."""
        _, _, _, across, N = self.sizes
        return are_few(across, N)

    @cached_property
    def correlation(self) -> "Correlation | ColumnCorrelation":
        """What computes y."""
        return correlation(*self.sizes)

    @cached_property
    def input_gradient(self) -> "InputGradient":
        """What computes gx."""
        return InputGradient(*self.sizes)

    @cached_property
    def weight_gradient(self) -> "WeightGradient | JoinedWeightGradient":
        """What computes gw."""
        O, C, down, across, N = self.sizes
        few = across.out * N <= min(C, tuning.joined_row)
        kind = JoinedWeightGradient if few else WeightGradient
        return kind(O, C, down, across, N)


plan = lru_cache(maxsize=1024)(Plan)
derived(plan.cache_clear)


def correlation(
    O: int, C: int, down: Axis, across: Axis, N: int
) -> "Correlation | ColumnCorrelation":
    """Return what correlates feature maps of such rows."""
    kind = ColumnCorrelation if are_few(across, N) else Correlation
    return kind(O, C, down, across, N)


class Correlation:
    """y_i = Σ_v W_v X_i, shifted: (H, C, W·N), (O, C, kh, kw) -> (Ho, O, Wo·N)."""

    def __init__(self, O: int, C: int, down: Axis, across: Axis, N: int) -> None:
        self.N = N
        self.widening = across if across.taps > 1 and down.taps * C < tuning.widened_rows else None
        if self.widening:
            C, across = across.taps * C, Axis(1, 1, 0, across.out, across.out)
        self.y = (down.out, O, across.out * N)
        self.cut = Strips(down, across, N, max(1, tuning.tile // max(1, O * across.out * N)))
        self.products = math.prod(self.y) * down.taps * across.taps * C

    def __call__(self, x: Array, w: Array) -> Array:
        if self.widening:
            x = widened(x, self.N, self.widening)
            O, C, kh, kw = w.shape
            w = w.transpose(0, 3, 1, 2).reshape(O, kw * C, kh, 1)
        cut = self.cut
        x = cut.padded(x)
        W = contiguous(w.transpose(3, 0, 2, 1))  # (kw, O, kh, C)
        y = empty(self.y, x.dtype)

        def work(start: int, stop: int) -> None:
            summand = empty((min(cut.most, stop - start), *self.y[1:]), x.dtype)
            for strip in cut.within(start, stop):
                i0, i1, u0, u1 = strip
                if not cut.covered or u0 == u1:
                    y[i0:i1] = 0
                if u0 == u1:
                    continue
                phases = cut.phases(x, strip)
                kernels = W[:, :, u0:u1].reshape(*W.shape[:2], (u1 - u0) * W.shape[3])
                for n, (v, windows, phase, pixels) in enumerate(cut.taps):
                    part = y[i0:i1, :, windows]
                    if n == 0 and cut.covered:
                        product(kernels[v], phases[phase][:, :, pixels], part)
                    else:
                        more = summand[: i1 - i0, :, : part.shape[2]]
                        product(kernels[v], phases[phase][:, :, pixels], more)
                        np.add(part, more, out=part)

        parallel_for(work, self.y[0], products=self.products)
        return y


class InputGradient:
    """gx: what each pixel gave to its windows: (Ho, O, Wo·N) -> (H, C, W·N).

    The pixels of one stride phase lie under the same taps of the kernel, so for each phase gx is a
    correlation, of stride 1, of gy with a part of the kernel turned round.

    Attributes:
        phases: for each stride phase its pixels, the taps over them, the last one first,
            and the correlation of gy with these.
    """

    def __init__(self, O: int, C: int, down: Axis, across: Axis, N: int) -> None:
        self.gx = (down.size, C, across.size, N)
        self.phases = []
        for row in range(down.stride):
            taps_down, back_down = down.transposed(row)
            for column in range(across.stride):
                taps_across, back_across = across.transposed(column)
                pixels = slice(row, None, down.stride), slice(column, None, across.stride)
                gather = correlation(C, O, back_down, back_across, N)
                self.phases.append((pixels, (taps_down, taps_across), gather))

    def __call__(self, g: Array, w: Array) -> Array:
        H, C, W, N = self.gx
        turned = w.swapaxes(0, 1)
        if len(self.phases) == 1:
            _, taps, gather = self.phases[0]
            return gather(g, turned[:, :, *taps])
        gX = empty((H, C, W * N), g.dtype)
        gx = gX.reshape(self.gx)
        for (down, across), taps, gather in self.phases:
            part = gx[down, :, across]
            part[...] = gather(g, turned[:, :, *taps]).reshape(part.shape)
        return gX


class WeightGradient:
    """gW_v = Σ_i gY_i X_iᵀ, shifted: (H, C, W·N), (Ho, O, Wo·N) -> (O, C, kh, kw)."""

    def __init__(self, O: int, C: int, down: Axis, across: Axis, N: int) -> None:
        self.gW = (across.taps, O, down.taps, C)
        self.Ho = down.out
        self.cut = Strips(down, across, N, max(1, tuning.tile // (O * across.out * N)))
        self.products = down.out * across.out * N * math.prod(self.gW)

    def __call__(self, x: Array, g: Array) -> Array:
        cut = self.cut
        x = cut.padded(x)
        shares: dict[int, Array] = {}

        def work(start: int, stop: int) -> None:
            gW = shares[start] = zeros(self.gW, x.dtype)
            strips = cut.within(start, stop)
            for strip in strips:
                i0, i1, u0, u1 = strip
                if u0 == u1:
                    continue
                phases = cut.phases(x, strip)
                for v, windows, phase, pixels in cut.taps:
                    seen = gW[v, :, u0:u1].reshape(len(gW[v]), -1)
                    more = seen if len(strips) == 1 else empty(seen.shape, seen.dtype)
                    product_transposed(g[i0:i1, :, windows], phases[phase][:, :, pixels], more)
                    if more is not seen:
                        seen += more

        parallel_for(work, self.Ho, products=self.products)
        first, *others = (shares[start] for start in sorted(shares))  # in a fixed order
        for share in others:
            first += share
        return first.transpose(1, 3, 2, 0)  # (kw, O, kh, C) until here
