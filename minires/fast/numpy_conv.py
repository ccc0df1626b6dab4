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
from .memory import empty
from .products import product, product_transposed
from .strips import Strip, Walk, widened
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
    W = np.ascontiguousarray(w.transpose(3, 0, 2, 1))  # (kw, O, kh, C)
    columns = sorted(range(kw), key=lambda v: -len(range(*across.windows(v))))
    covered = kw > 0 and across.windows(columns[0]) == (0, across.out)
    L = across.out * N
    y = empty((down.out, O, L), x.dtype)
    most = max(1, _TILE // max(1, O * L))

    def work(start: int, stop: int) -> None:
        summand = empty((min(most, stop - start), O, L), x.dtype)
        for i0, i1, u0, u1 in down.runs(start, stop, most):
            if not covered or u0 == u1:
                y[i0:i1] = 0
            if u0 == u1:
                continue
            strip = Strip(x, N, down, across, i0, i1, u0, u1)
            for v in columns:
                a, b, pixels = strip.pixels(v)
                part = y[i0:i1, :, a * N : b * N]
                weights = W[v, :, u0:u1].reshape(O, -1)
                if covered and v == columns[0]:
                    product(weights, pixels, part)
                else:
                    more = summand[: i1 - i0, :, : (b - a) * N]
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
    if down.stride == across.stride == 1:
        return _gathered(g, w, down, across, 0, 0, N)
    gx = empty((H, C, W, N), g.dtype)
    for row in range(down.stride):
        for column in range(across.stride):
            part = gx[row :: down.stride, :, column :: across.stride]
            gathered = _gathered(g, w, down, across, row, column, N).reshape(part.shape)

            def work(start: int, stop: int, part: Array = part, gathered: Array = gathered) -> None:
                part[start:stop] = gathered[start:stop]

            spread(work, len(part), part.size)
    return gx.reshape(H, C, W * N)


def _gathered(g: Array, w: Array, down: Walk, across: Walk, row: int, column: int, N: int) -> Array:
    """gx of the pixels at place (row, column) of a stride."""
    rows_met, back_down = _turned(down, row)
    columns_met, back_across = _turned(across, column)
    turned = w[:, :, rows_met][:, :, :, columns_met].swapaxes(0, 1)
    return correlate(g, turned, back_down, back_across, N)


def _turned(walk: Walk, place: int) -> tuple[list[int], Walk]:
    """The kernel's places that met the pixels at `place` of a stride, last first, and the walk
    of those pixels over the windows."""
    shift, first_met = divmod(place - walk.first, walk.stride)
    met = list(range(first_met, walk.k, walk.stride))[::-1]
    pixels = len(range(place, walk.size, walk.stride))
    return met, Walk(len(met), 1, shift - len(met) + 1, walk.out, pixels)


def weight_gradient(
    x: Array, g: Array, shape: tuple[int, ...], down: Walk, across: Walk, N: int
) -> Array:
    """gW_v = Σ_i gY_i X_iᵀ, shifted: (H, C, W·N), (Ho, O, Wo·N) -> (O, C, kh, kw)."""
    O, C, kh, kw = shape
    if kw > 1 and kh * C < _FEW:
        x, across = widened(x, N, across), Walk(1, 1, 0, across.out, across.out)
        gw = weight_gradient(x, g, (O, kw * C, kh, 1), down, across, N)
        return gw.reshape(O, kw, C, kh).transpose(0, 2, 3, 1)
    most = max(1, _TILE // (O * across.out * N))
    shares: dict[int, Array] = {}

    def work(start: int, stop: int) -> None:
        gW = shares[start] = np.zeros((kw, O, kh, C), x.dtype)
        for i0, i1, u0, u1 in down.runs(start, stop, most):
            if u0 == u1:
                continue
            strip = Strip(x, N, down, across, i0, i1, u0, u1)
            for v in range(kw):
                a, b, pixels = strip.pixels(v)
                if a < b:
                    seen = product_transposed(g[i0:i1, :, a * N : b * N], pixels)
                    gW[v, :, u0:u1] += seen.reshape(O, u1 - u0, C)

    spread(work, down.out, _effort(g.size, kh * kw * C))
    gW = sum(shares[start] for start in sorted(shares))  # in this order, whoever was first
    return gW.transpose(1, 3, 2, 0)


def _effort(size: int, places: int) -> float:
    """Of `size` sums over `places` products; some 20 of these take as long as a copy."""
    return size * places / 20
