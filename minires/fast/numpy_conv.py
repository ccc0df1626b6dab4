"""Convolution without a column matrix.

In memory (H, C, W, N) the pixels of kh rows are one matrix of kh·C rows and W·N columns,
and column v of the kernel sees it shifted by v·N. So a row of the result is kw products
with the pixels as they lie, added up while they are in cache:

    Y_i = Σ_v W_v X_i[:, v·N : v·N + Wo·N]          (O, kh·C) (kh·C, Wo·N) -> (O, Wo·N)
    gW_v = Σ_i gY_i X_i[:, v·N : v·N + Wo·N]ᵀ        (O, Wo·N) (Wo·N, kh·C) -> (O, kh·C)

and gx is the first of these again, with gy for x and the kernel turned round. Nothing is
copied, and what lies on padding is not multiplied at all.
"""

import math

import numpy as np

from .. import ops
from ..backend import Array
from ..engine import Gradients, twin
from .layout import images, rows
from .memory import empty, scratch
from .products import product, product_transposed
from .strips import Walk, strips, widened
from .threads import spread

_TILE = 1 << 19  # elements of y worked on at a time: they, and x under them, stay in cache
_FEW = 24  # rows kh·C of a matrix; with fewer, one product of kw times as many is faster


@twin(ops.conv.Conv2d, "numpy")
class Conv2d(ops.conv.Conv2d):
    """The textbook's convolution, as sums of products on pixels where they lie."""

    def suits(self, x: Array, w: Array, b: Array | None) -> bool:
        return math.prod(x.shape) > 0 and w.size > 0

    def forward(self, x: Array, w: Array, b: Array | None) -> Array:
        out = self.output_size(x, w, b)
        self.down, self.across = (
            Walk(w.shape[2 + d], self.stride[d], -self.padding[d], x.shape[2 + d], out[d])
            for d in (0, 1)
        )
        y = correlate(rows(x), w, self.down, self.across, x.shape[0])
        if b is not None:
            y += b[:, None]
        self.save(x, w)
        return images(y, x.shape[0])

    def backward(self, gy: Array) -> Gradients:
        x, w = self.saved
        N, down, across = x.shape[0], self.down, self.across
        g = rows(gy)
        gx = gw = gb = None
        if self.needs_grad[0]:
            gx = images(scatter(g, w, down, across, N), N)
        if self.needs_grad[1]:
            gw = weight_gradient(rows(x), g, w.shape, down, across, N)
        if self.needs_grad[2]:
            gb = g.sum(axis=(0, 2))
        return gx, gw, gb


def correlate(x: Array, w: Array, down: Walk, across: Walk, N: int) -> Array:
    """y_i = Σ_v W_v X_i, shifted: (H, C, W·N), (O, C, kh, kw) -> (Ho, O, Wo·N)."""
    O, C, kh, kw = w.shape
    if kw > 1 and kh * C < _FEW:
        x, across = widened(x, N, across), Walk(1, 1, 0, across.out, across.out)
        w = w.transpose(0, 3, 1, 2).reshape(O, kw * C, kh, 1)
        kw, C = 1, kw * C
    L = across.out * N
    cut = strips(down, across, N, max(1, _TILE // max(1, O * L)))
    x = cut.padded(x)
    W = np.ascontiguousarray(w.transpose(3, 0, 2, 1))  # (kw, O, kh, C)
    y = empty((down.out, O, L), x.dtype)

    def work(start: int, stop: int) -> None:
        summand = scratch((min(cut.most, stop - start), O, L), x.dtype)
        for i0, i1, u0, u1 in cut.runs(start, stop):
            if not cut.covered or u0 == u1:
                y[i0:i1] = 0
            if u0 == u1:
                continue
            phases = cut.phases(x, i0, i1, u0, u1)
            for n, (v, a, b, phase, first) in enumerate(cut.taps):
                weights = W[v, :, u0:u1].reshape(O, -1)
                pixels = phases[phase][:, :, first * N : first * N + b - a]
                part = y[i0:i1, :, a:b]
                if n == 0 and cut.covered:
                    product(weights, pixels, part)
                else:
                    more = summand[: i1 - i0, :, : b - a]
                    product(weights, pixels, more)
                    np.add(part, more, out=part)

    spread(work, down.out, _effort(y.size, kh * kw * C))
    return y


def scatter(g: Array, w: Array, down: Walk, across: Walk, N: int) -> Array:
    """gx: what each pixel gave to the windows it was in: (Ho, O, Wo·N) -> (H, C, W·N).

    The pixels that have the same place in a stride were met by the same places of the kernel,
    so each such set is a correlation, of stride 1, of gy with a part of the kernel turned round.
    """
    C, H, W = w.shape[1], down.size, across.size

    def gathered(row: int, column: int) -> Array:
        """gx of the pixels at place (row, column) of a stride."""
        above, back_down = down.turned(row)
        beside, back_across = across.turned(column)
        turned = w[:, :, above, beside].swapaxes(0, 1)
        return correlate(g, turned, back_down, back_across, N)

    if down.stride == across.stride == 1:
        return gathered(0, 0)
    gx = empty((H, C, W, N), g.dtype)
    for row in range(down.stride):
        for column in range(across.stride):
            part = gx[row :: down.stride, :, column :: across.stride]
            part[...] = gathered(row, column).reshape(part.shape)
    return gx.reshape(H, C, W * N)


def weight_gradient(
    x: Array, g: Array, shape: tuple[int, ...], down: Walk, across: Walk, N: int
) -> Array:
    """gW_v = Σ_i gY_i X_iᵀ, shifted: (H, C, W·N), (Ho, O, Wo·N) -> (O, C, kh, kw)."""
    O, C, kh, kw = shape
    if kw > 1 and kh * C < _FEW:
        x, across = widened(x, N, across), Walk(1, 1, 0, across.out, across.out)
        gw = weight_gradient(x, g, (O, kw * C, kh, 1), down, across, N)
        return gw.reshape(O, kw, C, kh).transpose(0, 2, 3, 1)
    cut = strips(down, across, N, max(1, _TILE // (O * across.out * N)))
    x = cut.padded(x)
    shares: dict[int, Array] = {}

    def work(start: int, stop: int) -> None:
        gW = shares[start] = np.zeros((kw, O, kh, C), x.dtype)
        for i0, i1, u0, u1 in cut.runs(start, stop):
            if u0 == u1:
                continue
            phases = cut.phases(x, i0, i1, u0, u1)
            for v, a, b, phase, first in cut.taps:
                pixels = phases[phase][:, :, first * N : first * N + b - a]
                seen = product_transposed(g[i0:i1, :, a:b], pixels)
                gW[v, :, u0:u1] += seen.reshape(O, u1 - u0, C)

    spread(work, down.out, _effort(g.size, kh * kw * C))
    in_order = [shares[start] for start in sorted(shares)]  # whoever was first
    gW: Array = np.add.reduce(in_order)
    return gW.transpose(1, 3, 2, 0)


def _effort(size: int, places: int) -> float:
    """Of `size` sums over `places` products; some 20 of these take as long as a copy."""
    return size * places / 20
