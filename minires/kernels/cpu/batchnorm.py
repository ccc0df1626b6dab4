"""Batch norm that reads the batch once for its statistics and leaves the rest lazy.

Each thread has channels of its own. The mean and the squared deviations of every row are
taken while it is in cache, deviations from the row's own mean, and put together in float64
(Chan, Golub & LeVeque 1979), so that nothing is lost where a channel's mean is far from 0.
Backward has two passes, one for the sums and one for gx; it makes both over a few channels
before it goes on to the next, so that the second finds everything in cache.

On layers of resnet-20 at batch 128, forward and backward (CPU time, one thread, AMD EPYC), 1.2
(64 channels) to 1.9 times (16 channels) the reference's speed; with residual addition and ReLU,
which take it lazily, 1.8 to 2.1 times.
"""

from typing import Any

import numpy as np

from ... import ops
from ...backend import Array
from ...ops import Gradients
from ..inference import LazyBatchNormInference
from ..lazy import realized
from ..registry import Kernel, register
from .incoming import Incoming
from .layout import are_constant_rows, is_finite, result, rows
from .maps import Combination, along, filled, tile_height, tiles
from .memory import empty, zeros
from .threads import parallel_for
from .tuning import tuning


@register(ops.BatchNorm, "numpy")
class CpuBatchNorm(Kernel):
    """Batch norm of feature maps; forward returns scale · x + shift, lazy."""

    takes_lazy = True
    fresh = True

    def suits(self, op: ops.BatchNorm, x: Any, w: Array, b: Array) -> bool:
        return x.ndim == 4

    def forward(self, op: ops.BatchNorm, x: Any, w: Array, b: Array) -> Any:
        x = realized(x)
        X = rows(x)
        op.mean, op.var = (v.astype(x.dtype) for v in moments(X))
        r = 1 / np.sqrt(op.var + x.dtype.type(op.eps))
        op.save(X, w, op.mean, r)
        scale = w * r
        shift = b - op.mean * scale
        if not is_finite(shift):  # scale · x + shift could be ∞ − ∞ where the formula has a number
            return self.leave(op, x, w, b)
        op.move_running(x.size // x.shape[1])
        y = Combination([(X, scale)], shift, x.shape[0])
        return y if are_constant_rows(x) else y.realize()

    def backward(self, op: ops.BatchNorm, gy: Any) -> Gradients:
        X, w, mean, r = op.saved
        H, C, L = X.shape
        m = H * L
        incoming = Incoming(gy, X)
        gw, gb = empty((C,), X.dtype), empty((C,), X.dtype)
        gx = empty(X.shape, X.dtype)
        ones = filled(1, (L,), X.dtype)

        def work(start: int, stop: int) -> None:
            width = min(stop - start, max(1, tuning.tile // m))
            step = tile_height(X.shape, width)
            spare = empty((step, width, L), X.dtype)
            room = incoming.room(width)
            for c0 in range(start, stop, width):
                c = slice(c0, min(c0 + width, stop))
                n = c.stop - c0
                G = incoming.channels(c, room)
                sums = zeros((2, n), np.dtype(float))
                middle = along(mean[c], L)
                for h in tiles(H, step):
                    g, x = G[h], X[h, c]
                    buffer = spare[: len(x), :n]
                    incoming.fill(h, c, g, buffer)
                    np.subtract(x, middle, out=buffer)
                    sums[0] += np.add.reduce(g @ ones)
                    sums[1] += np.add.reduce(np.vecdot(g, buffer))
                gb[c] = sums[0]
                gw[c] = sums[1] * r[c]
                # gx = w r (g − gb/m − (x − μ) r gw/m), sorted by g, x and what is constant
                of_g = w[c] * r[c]
                of_x = -of_g * r[c] * gw[c] / m
                constant = -of_x * mean[c] - of_g * gb[c] / m
                of_g, of_x, constant = (along(v, L) for v in (of_g, of_x, constant))
                for h in tiles(H, step):
                    out = gx[h, c]
                    buffer = spare[: len(out), :n]
                    np.multiply(G[h], of_g, out=out)
                    np.multiply(X[h, c], of_x, out=buffer)
                    np.add(out, buffer, out=out)
                    np.add(out, constant, out=out)

        parallel_for(work, C, 4 * X.size)
        incoming.finish(gy)
        return result(gx, gy.shape[0]), gw, gb


@register(ops.BatchNormInference, "numpy")
class CpuBatchNormInference(LazyBatchNormInference):
    """Computed at once if x can still be written to."""

    def suits(self, op: ops.BatchNormInference, x: Any, w: Array, b: Array) -> bool:
        return x.ndim == 4 and x.size > 0

    def is_exact(self, shift: Array) -> bool:
        return is_finite(shift)

    def scaled(self, x: Array, scale: Array, shift: Array) -> Any:
        y = Combination([(rows(x), scale)], shift, x.shape[0])
        return y if are_constant_rows(x) else y.realize()


def moments(X: Array) -> tuple[Array, Array]:
    """Return the mean and the (biased) variance of each channel of (H, C, L), in float64."""
    H, C, L = X.shape
    means, squares = empty((H, C), np.dtype(float)), empty((H, C), np.dtype(float))
    ones = filled(1, (L,), X.dtype)

    def work(start: int, stop: int) -> None:
        step, c = tile_height(X.shape, stop - start), slice(start, stop)
        spare = empty((step, stop - start, L), X.dtype)
        for h in tiles(H, step):
            x = X[h, c]
            centred = spare[: len(x)]
            mean = x @ ones  # a product with ones: far faster than a sum
            mean /= L
            np.subtract(x, mean[:, :, None], out=centred)
            means[h, c] = mean
            squares[h, c] = np.vecdot(centred, centred)

    parallel_for(work, C, 4 * X.size)
    mean = np.add.reduce(means) / H
    means -= mean
    within, between = np.add.reduce(squares) / (H * L), np.vecdot(means.T, means.T) / H
    return mean, within + between
