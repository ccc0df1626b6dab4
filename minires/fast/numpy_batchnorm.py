"""Batch norm that reads the batch once for its statistics and promises the rest.

Each thread has channels of its own. The mean and the squared deviations of every row are
taken while it is in cache, deviations from the row's own mean, and put together in float64
(Chan, Golub & LeVeque 1979), so that nothing is lost where a channel's mean is far from 0.
Backward has two passes, one for the sums and one for gx; it makes both over a few channels
before it goes on to the next, so that the second finds everything in cache.
"""

from typing import Any

import numpy as np

from .. import ops
from ..backend import Array, settled
from ..engine import Gradients, twin
from ..ops.batchnorm import expect_channels, per_channel
from .layout import images, rows
from .maps import Combination, Maps, held_still, in_rows, row_of, tile_height, tiles
from .memory import empty, is_ours, scratch
from .threads import spread

_GROUP = 1 << 19  # elements of channels that backward goes through twice


@twin(ops.batchnorm.BatchNorm, "numpy")
class BatchNorm(ops.batchnorm.BatchNorm):
    """The textbook's batch norm of maps; forward gives a promise of scale · x + shift."""

    takes_promises = True

    def suits(self, x: Any, w: Array, b: Array) -> bool:
        return len(x.shape) == 4

    def forward(self, x: Any, w: Array, b: Array) -> Any:
        x = settled(x)
        self.expect_inputs(x, w, b)
        X = held_still(x) if is_ours(x) else rows(x)
        self.mean, self.var = (v.astype(x.dtype) for v in moments(X))
        r = 1 / np.sqrt(self.var + x.dtype.type(self.eps))
        self.save(X, w, self.mean, r)
        scale = w * r
        y = Combination([(X, scale)], b - self.mean * scale, x.shape[0])
        return y if is_ours(x) else y.array()

    def backward(self, gy: Any) -> Gradients:
        X, w, mean, r = self.saved
        H, C, L = X.shape
        m = H * L
        given = Given(gy, X)
        gw, gb = np.empty(C, X.dtype), np.empty(C, X.dtype)
        gx = empty(X.shape, X.dtype)
        ones = row_of(1, L, X.dtype)

        def work(start: int, stop: int) -> None:
            width = min(stop - start, max(1, _GROUP // m))
            step = tile_height(X.shape, width)
            spare = scratch((step, width, L), X.dtype)
            room = given.room(width)
            for c0 in range(start, stop, width):
                c = slice(c0, min(c0 + width, stop))
                n = c.stop - c0
                G = given.channels(c, room)
                sums = np.zeros((2, n))
                for h in tiles(H, step):
                    g, x = G[h], X[h, c]
                    buffer = spare[: len(x), :n]
                    given.fill(h, c, g, buffer)
                    np.subtract(x, mean[c, None], out=buffer)
                    sums[0] += np.add.reduce(g @ ones)
                    sums[1] += np.add.reduce(np.vecdot(g, buffer))
                gb[c] = sums[0]
                gw[c] = sums[1] * r[c]
                # gx = w r (g − gb/m − (x − μ) r gw/m), sorted by g, x and what is constant
                of_g = w[c] * r[c]
                of_x = -of_g * r[c] * gw[c] / m
                constant = -of_x * mean[c] - of_g * gb[c] / m
                for h in tiles(H, step):
                    out = gx[h, c]
                    buffer = spare[: len(out), :n]
                    np.multiply(G[h], of_g[:, None], out=out)
                    np.multiply(X[h, c], of_x[:, None], out=buffer)
                    np.add(out, buffer, out=out)
                    np.add(out, constant[:, None], out=out)

        spread(work, C, 4 * X.size)
        given.settle(gy)
        return images(gx, gy.shape[0]), gw, gb


@twin(ops.batchnorm.BatchNormInference, "numpy")
class BatchNormInference(ops.batchnorm.BatchNormInference):
    """The textbook's batch norm with given statistics; forward gives a promise."""

    takes_promises = True

    def suits(self, x: Any, w: Array, b: Array) -> bool:
        return len(x.shape) == 4

    def forward(self, x: Any, w: Array, b: Array) -> Any:
        x = settled(x)
        expect_channels(x, running_mean=self.mean, running_var=self.var, w=w, b=b)
        r = 1 / np.sqrt(self.var + self.eps)
        scale = w * r
        self.save(x, w, r, self.mean.copy())  # which training moves on
        X = held_still(x) if is_ours(x) else rows(x)
        y = Combination([(X, scale)], b - self.mean * scale, x.shape[0])
        return y if is_ours(x) else y.array()

    def backward(self, gy: Any) -> Gradients:
        x, w, r, mean = self.saved
        kept, r = self.saved, per_channel(r, 4)
        self.saved = (x - per_channel(mean, 4)) * r, w, r  # as the textbook has them
        try:
            return super().backward(settled(gy))
        finally:
            self.saved = kept


class Given:
    """The gradient that comes in, a few channels at a time, computed where it was promised.

    If others want it too, what is computed is kept for them; otherwise it needs no more room
    than those channels.
    """

    def __init__(self, gy: Any, like: Array) -> None:
        self.maps: Array | Maps = in_rows(gy)
        self.promised = isinstance(self.maps, Maps)
        shared = isinstance(self.maps, Maps) and self.maps.shared
        self.kept = empty(like.shape, like.dtype) if shared else None
        self.like = like

    def room(self, width: int) -> Array | None:
        """Memory for so many channels, where it is needed."""
        H, _, L = self.like.shape
        needed = self.promised and self.kept is None
        return scratch((H, width, L), self.like.dtype) if needed else None

    def channels(self, c: slice, room: Array | None) -> Array:
        """The array for channels c: computed already, or to be filled."""
        if room is not None:
            return room[:, : c.stop - c.start]
        whole = self.maps if self.kept is None else self.kept
        assert isinstance(whole, np.ndarray)
        return whole[:, c]

    def fill(self, h: slice, c: slice, out: Array, spare: Array) -> None:
        """Compute rows h of channels c into `out`, if they are not there yet."""
        if isinstance(self.maps, Maps):
            self.maps.fill(h, c, out, spare)

    def settle(self, gy: Any) -> None:
        """Give what was kept to the promise, for whoever comes next."""
        if self.kept is not None:
            gy.keep(images(self.kept, gy.shape[0]))


def moments(X: Array) -> tuple[Array, Array]:
    """The mean and the (biased) variance of each channel of (H, C, L), in float64."""
    H, C, L = X.shape
    means, squares = np.empty((H, C)), np.empty((H, C))
    ones = row_of(1, L, X.dtype)

    def work(start: int, stop: int) -> None:
        step, c = tile_height(X.shape, stop - start), slice(start, stop)
        spare = scratch((step, stop - start, L), X.dtype)
        for h in tiles(H, step):
            x = X[h, c]
            centred = spare[: len(x)]
            mean = x @ ones  # a product with ones: far faster than a sum
            mean /= L
            np.subtract(x, mean[:, :, None], out=centred)
            means[h, c] = mean
            squares[h, c] = np.vecdot(centred, centred)

    spread(work, C, 4 * X.size)
    mean = np.add.reduce(means) / H
    means -= mean
    within, between = np.add.reduce(squares) / (H * L), np.vecdot(means.T, means.T) / H
    return mean, within + between
