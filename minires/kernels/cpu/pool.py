"""Max pooling by comparing whole rows of pixels, one kernel tap after the other.

The tap that won is kept, one byte a window. Each thread has channels of its own, and goes down
them in strips of a few rows of windows. The pixels under a strip are first sorted by stride
phase; then what one tap of all windows of a row sees is one run, as in a convolution.

In resnet-18 at batch 16 (CPU time, one thread, AMD EPYC), 5.2 times the reference's speed forward,
1.4 times backward.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ... import ops
from ...backend import Array, guarded
from ...ops import Gradients, Pair
from ...ops.pool import tap_dtype
from ..geometry import axes
from ..registry import Kernel, register
from .layout import result, rows
from .maps import masked, tiles
from .memory import contiguous, empty
from .threads import parallel_for
from .tuning import tuning


class Tap(NamedTuple):
    """A tap of the windows in a strip.

    Attributes:
        number: u · kw + v.
        rows, columns: the windows of the strip whose tap lies on a pixel.
        phase: the stride phase of these pixels; under, pixels: their rows and columns.
    """

    number: int
    rows: slice
    columns: slice
    phase: int
    under: slice
    pixels: slice


class Windows:
    """The windows of pooling, on feature maps (H, C, W·N)."""

    def __init__(self, shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair) -> None:
        self.N, _, _, self.W = shape
        self.down, self.across = axes(shape, kernel, stride, padding)

    def strip(self, channels: int) -> int:
        """Return how many rows of windows make a strip: one over a tile of pixels."""
        row = channels * self.down.stride * self.across.stride * self.across.out * self.N
        return min(self.down.out, max(1, tuning.tile // row))

    def rows(self, i: slice) -> slice:
        """Return the rows of pixels under rows i of the windows."""
        top = self.down.first + self.down.stride * i.start
        bottom = self.down.first + self.down.stride * (i.stop - 1) + self.down.taps
        return slice(max(0, top), max(0, min(self.down.size, bottom)))

    def first_pixels(self, dtype: np.dtype[Any]) -> Array:
        """Return (Ho, 1, Wo·N): the first tap of each window that lies on a pixel."""
        down, across = (
            [a.valid_taps(i)[0] for i in range(a.out)] for a in (self.down, self.across)
        )
        taps = np.add.outer(np.multiply(down, self.across.taps), across)
        return np.repeat(taps.astype(dtype), self.N, axis=1)[:, None]

    def phases(self, x: Array) -> list[Array]:
        """Return pixels (rows, C, W·N) by stride phase: of each (rows, C, pixels · N)."""
        stride, (H, C, _) = self.across.stride, x.shape
        if stride == 1:
            return [x]
        x = x.reshape(H, C, self.W, self.N)
        phases = (x[:, :, p::stride] for p in range(stride))
        return [contiguous(phase).reshape(H, C, -1) for phase in phases]

    def taps(self, i: slice) -> Iterator[Tap]:
        """Return the taps of rows i of the windows."""
        down, across, N = self.down, self.across, self.N
        top = self.rows(i).start
        for u in range(down.taps):
            i0, i1 = down.valid_range(u)
            i0, i1 = max(i0, i.start), min(i1, i.stop)
            if i0 >= i1:
                continue
            first = down.first + down.stride * i0 + u - top
            under = slice(first, first + down.stride * (i1 - i0), down.stride)
            for v in range(across.taps):
                a, b = across.valid_range(v)
                j, phase = divmod(across.first + across.stride * a + v, across.stride)
                columns = slice(j * N, (j + b - a) * N)
                windows = slice(i0 - i.start, i1 - i.start), slice(a * N, b * N)
                yield Tap(u * across.taps + v, *windows, phase, under, columns)


@register(ops.MaxPool2d, "numpy")
class CpuMaxPool2d(Kernel):
    """Max pooling: the tap wins that is larger than all before it, or else the first pixel's."""

    def suits(self, op: ops.MaxPool2d, x: Array) -> bool:
        return x.ndim == 4 and x.size > 0

    def forward(self, op: ops.MaxPool2d, x: Array) -> Array:
        windows = Windows(x.shape, op.kernel_size, op.stride, op.padding)
        X = rows(x)
        Y = empty((windows.down.out, X.shape[1], windows.across.out * windows.N), x.dtype)
        winner = empty(Y.shape, tap_dtype(windows.down.taps * windows.across.taps))
        first = windows.first_pixels(winner.dtype)
        not_numbers: list[bool] = []

        def work(start: int, stop: int) -> None:
            step, c = windows.strip(stop - start), slice(start, stop)
            flags = empty((step, stop - start, Y.shape[2]), np.dtype(bool))
            numbers = empty(flags.shape, winner.dtype)
            for i in tiles(len(Y), step):
                y, won_by = Y[i, c], winner[i, c]
                y[...] = -np.inf
                won_by[...] = first[i]
                phases = windows.phases(X[windows.rows(i), c])
                for tap, at, part, phase, under, pixels in windows.taps(i):
                    candidate, best = phases[phase][under, :, pixels], y[at, :, part]
                    if op.needs_grad[0]:
                        larger, number = flags[at, :, part], numbers[at, :, part]
                        np.greater(candidate, best, out=larger)
                        np.multiply(larger.view(np.uint8), winner.dtype.type(tap), out=number)
                        np.maximum(won_by[at, :, part], number, out=won_by[at, :, part])
                    np.maximum(candidate, best, out=best)
                if guarded(_has_nan, y, flags[: len(y)]):
                    not_numbers.append(True)

        parallel_for(work, X.shape[1], 3 * X.size)
        if not_numbers:  # a NaN wins, and is larger than nothing
            return self.leave(op, x)
        op.save(winner, windows)
        return result(Y, windows.N)

    def backward(self, op: ops.MaxPool2d, gy: Array) -> Gradients:
        winner, windows = op.saved
        G = rows(gy)
        C, N, stride = G.shape[1], windows.N, windows.across.stride
        gX = empty((windows.down.size, C, windows.W * N), gy.dtype)
        gx = gX.reshape(windows.down.size, C, windows.W, N)

        def work(start: int, stop: int) -> None:
            step, c = windows.strip(stop - start), slice(start, stop)
            flags = empty((step, stop - start, G.shape[2]), np.dtype(bool))
            shares = empty(flags.shape, gy.dtype)
            done = 0  # rows of gX
            for i in tiles(len(G), step):
                won_by, g = winner[i, c], G[i, c]
                under_strip = windows.rows(i)
                gX[done : under_strip.start, c] = 0
                shared = max(0, done - under_strip.start)  # rows under the strip before, too
                gradients = windows.phases(np.zeros_like(gX[under_strip, c]))
                for tap, at, part, phase, under, pixels in windows.taps(i):
                    share = shares[at, :, part]
                    lost = np.not_equal(won_by[at, :, part], tap, out=flags[at, :, part])
                    masked(g[at, :, part], lost, share)
                    into = gradients[phase][under, :, pixels]
                    np.add(into, share, out=into)
                for p, gradient in enumerate(gradients):
                    part = gx[under_strip, c, p::stride]
                    gradient = gradient.reshape(part.shape)
                    part[:shared] += gradient[:shared]
                    part[shared:] = gradient[shared:]
                done = max(done, under_strip.stop)
            gX[done:, c] = 0

        parallel_for(work, C, 8 * gX.size)
        return result(gX, N)


def _has_nan(y: Array, flags: Array) -> bool:
    return bool(np.isnan(y, out=flags).any())
