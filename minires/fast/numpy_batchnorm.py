"""Batch norm that reads the batch once for its statistics and promises the rest.

Each thread has channels of its own. The mean and the squared deviations of every tile are
taken while it is in cache, deviations from the tile's own mean, and put together in float64
(Chan, Golub & LeVeque 1979), so that nothing is lost where a channel's mean is far from 0.
"""

import numpy as np

from .. import ops
from ..backend import Array, Promise
from ..engine import Gradients, twin
from .layout import images, rows
from .maps import Combination, tile_of, tiles
from .memory import empty, is_ours
from .threads import spread


@twin(ops.batchnorm.BatchNorm, "numpy")
class BatchNorm(ops.batchnorm.BatchNorm):
    """The textbook's batch norm of maps; forward gives a promise of scale · x + shift."""

    def suits(self, x: Array | Promise, w: Array, b: Array) -> bool:
        return len(x.shape) == 4

    def forward(self, x: Array, w: Array, b: Array) -> Array:
        self.expect_inputs(x, w, b)
        X = rows(x)
        self.mean, self.var = (v.astype(x.dtype) for v in moments(X))
        r = 1 / np.sqrt(self.var + x.dtype.type(self.eps))
        self.save(X, w, self.mean, r)
        scale = w * r
        y = Combination([(X, scale)], b - self.mean * scale, x.shape[0])
        return y if is_ours(x) else y.array()

    def backward(self, gy: Array) -> Gradients:
        X, w, mean, r = self.saved
        G = rows(gy)
        H, C, L = X.shape
        gw, gb = np.empty(C, X.dtype), np.empty(C, X.dtype)
        gx = empty(X.shape, X.dtype)
        ones = np.ones(L, X.dtype)
        sums = np.empty((2, H, C))

        def work(start: int, stop: int) -> None:
            buffer = tile_of(X.shape, start, stop, X.dtype)
            for tile in tiles(X.shape, start, stop):
                g, centred = G[tile], buffer[: len(G[tile])]
                np.subtract(X[tile], mean[tile[1], None], out=centred)
                sums[0][tile] = g @ ones
                sums[1][tile] = np.vecdot(g, centred)
            c = slice(start, stop)
            gb[c] = sums[0, :, c].sum(axis=0)
            gw[c] = sums[1, :, c].sum(axis=0) * r[c]
            # gx = w r (g − gb/m − (x − μ) r gw/m), sorted by g, x and what is constant
            of_g = w[c] * r[c]
            of_x = -of_g * r[c] * gw[c] / (H * L)
            constant = -of_x * mean[c] - of_g * gb[c] / (H * L)
            for tile in tiles(X.shape, start, stop):
                part, buffered = gx[tile], buffer[: len(gx[tile])]
                np.multiply(G[tile], of_g[:, None], out=part)
                np.multiply(X[tile], of_x[:, None], out=buffered)
                np.add(part, buffered, out=part)
                np.add(part, constant[:, None], out=part)

        spread(work, C, X.size)
        return images(gx, gy.shape[0]), gw, gb


def moments(X: Array) -> tuple[Array, Array]:
    """The mean and the (biased) variance of each channel of (H, C, L), in float64."""
    H, C, L = X.shape
    means, squares = np.empty((H, C)), np.empty((H, C))
    ones = np.ones(L, X.dtype)

    def work(start: int, stop: int) -> None:
        buffer = tile_of(X.shape, start, stop, X.dtype)
        for tile in tiles(X.shape, start, stop):
            centred = buffer[: len(X[tile])]
            mean = X[tile] @ ones / L  # a product with ones: far faster than a sum
            np.subtract(X[tile], mean[:, :, None], out=centred)
            means[tile] = mean
            squares[tile] = np.vecdot(centred, centred)

    spread(work, C, X.size)
    mean = means.mean(axis=0)
    between = ((means - mean) ** 2).mean(axis=0)
    return mean, squares.sum(axis=0) / (H * L) + between
