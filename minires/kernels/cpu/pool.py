"""Pooling by comparing whole rows of pixels, one place of the window after the other.

Which place won is kept, one byte a window. Each thread has channels of its own, and goes down
them in strips of a few rows of windows. The pixels under a strip are first sorted by place in
the stride; then what one place of all windows of a row sees is one run, as in a convolution.
"""

from collections.abc import Iterator

import numpy as np

from ... import ops
from ...autograd import Gradients
from ...backend import Array
from ...modes import twin
from ...ops.windows import Pair, output_size
from .layout import result, rows
from .maps import gate, tiles
from .memory import empty
from .strips import Walk
from .threads import spread

_TILE = 1 << 17  # elements of windows in a strip


class Windows:
    """The windows of pooling, on maps (H, C, W·N)."""

    def __init__(self, shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair) -> None:
        self.N, _, _, self.W = shape
        out = output_size(shape, kernel, stride, padding)
        self.down, self.across = (
            Walk(kernel[d], stride[d], -padding[d], shape[2 + d], out[d]) for d in (0, 1)
        )

    def strip(self, channels: int) -> int:
        """How many rows of windows make a strip."""
        row = channels * self.across.out * self.N
        return min(self.down.out, max(1, _TILE // row))

    def rows(self, i: slice) -> slice:
        """The rows of pixels under rows i of the windows."""
        top = self.down.first + self.down.stride * i.start
        bottom = self.down.first + self.down.stride * (i.stop - 1) + self.down.k
        return slice(max(0, top), max(0, min(self.down.size, bottom)))

    def phases(self, x: Array) -> list[Array]:
        """Pixels (rows, C, W·N) by their place in the stride: of each (rows, C, pixels · N)."""
        stride, (H, C, _) = self.across.stride, x.shape
        if stride == 1:
            return [x]
        x = x.reshape(H, C, self.W, self.N)
        places = (x[:, :, p::stride] for p in range(stride))
        return [np.ascontiguousarray(place).reshape(H, C, -1) for place in places]

    def places(self, i: slice) -> Iterator[tuple[int, slice, slice, int, slice, slice]]:
        """For each place of rows i of the windows: its number, the windows (rows of the strip,
        columns) where it lies on a pixel, and these pixels (phase, rows under it, columns)."""
        down, across, N = self.down, self.across, self.N
        top = self.rows(i).start
        for u in range(down.k):
            i0, i1 = down.windows(u)
            i0, i1 = max(i0, i.start), min(i1, i.stop)
            if i0 >= i1:
                continue
            first = down.first + down.stride * i0 + u - top
            under = slice(first, first + down.stride * (i1 - i0), down.stride)
            for v in range(across.k):
                a, b = across.windows(v)
                j, phase = divmod(across.first + across.stride * a + v, across.stride)
                columns = slice(j * N, (j + b - a) * N)
                windows = slice(i0 - i.start, i1 - i.start), slice(a * N, b * N)
                yield u * across.k + v, *windows, phase, under, columns


@twin(ops.pool.MaxPool2d, "numpy")
class MaxPool2d(ops.pool.MaxPool2d):
    """The textbook's max pooling: the place wins that is larger than all before it."""

    def suits(self, x: Array) -> bool:
        return x.ndim == 4 and x.size > 0

    def forward(self, x: Array) -> Array:
        windows = Windows(x.shape, self.kernel, self.stride, self.padding)
        X = rows(x)
        Y = empty((windows.down.out, X.shape[1], windows.across.out * windows.N), x.dtype)
        places = windows.down.k * windows.across.k
        winner = empty(Y.shape, np.dtype(np.uint8 if places <= 256 else np.uint16))
        not_numbers: list[bool] = []

        def work(start: int, stop: int) -> None:
            step, c = windows.strip(stop - start), slice(start, stop)
            flags = empty((step, stop - start, Y.shape[2]), np.dtype(bool))
            numbers = empty(flags.shape, winner.dtype)
            for i in tiles(len(Y), step):
                y, won_by = Y[i, c], winner[i, c]
                y[...] = -np.inf
                won_by[...] = 0
                phases = windows.phases(X[windows.rows(i), c])
                for place, at, part, phase, under, pixels in windows.places(i):
                    candidate, best = phases[phase][under, :, pixels], y[at, :, part]
                    if self.needs_grad[0]:
                        larger, number = flags[at, :, part], numbers[at, :, part]
                        np.greater(candidate, best, out=larger)
                        np.multiply(larger.view(np.uint8), winner.dtype.type(place), out=number)
                        np.maximum(won_by[at, :, part], number, out=won_by[at, :, part])
                    np.maximum(candidate, best, out=best)
                if np.isnan(y, out=flags[: len(y)]).any():
                    not_numbers.append(True)

        spread(work, X.shape[1], 3 * X.size)
        if not_numbers:  # a NaN wins, and is larger than nothing: a case for the textbook
            self.__class__ = ops.pool.MaxPool2d  # type: ignore[assignment]
            return self.forward(x)
        self.save(winner, windows)
        return result(Y, windows.N)

    def backward(self, gy: Array) -> Gradients:
        winner, windows = self.saved
        G = rows(gy)
        C, N, stride = G.shape[1], windows.N, windows.across.stride
        gX = empty((windows.down.size, C, windows.W * N), gy.dtype)
        gx = gX.reshape(windows.down.size, C, windows.W, N)

        def work(start: int, stop: int) -> None:
            step, c = windows.strip(stop - start), slice(start, stop)
            flags = empty((step, stop - start, G.shape[2]), np.dtype(bool))
            shares = empty(flags.shape, gy.dtype)
            gX[:, c] = 0
            for i in tiles(len(G), step):
                won_by, g = winner[i, c], G[i, c]
                under_strip = windows.rows(i)
                gradients = windows.phases(np.zeros_like(gX[under_strip, c]))
                for place, at, part, phase, under, pixels in windows.places(i):
                    share = shares[at, :, part]
                    won = np.equal(won_by[at, :, part], place, out=flags[at, :, part])
                    gate(g[at, :, part], won, share)
                    into = gradients[phase][under, :, pixels]
                    np.add(into, share, out=into)
                for p, gradient in enumerate(gradients):
                    part = gx[under_strip, c, p::stride]
                    part += gradient.reshape(part.shape)  # strips overlap

        spread(work, C, 8 * gX.size)
        return result(gX, N)
