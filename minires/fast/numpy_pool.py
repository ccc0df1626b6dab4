"""Pooling by comparing whole rows of pixels, one place of the window after the other.

Each thread has channels of its own. A row of pixels is first sorted by place in the stride;
then what one place of all windows of a row sees is one run of it, as in a convolution.
"""

import numpy as np

from .. import ops
from ..backend import Array
from ..engine import Gradients, twin
from ..ops.windows import Pair, output_size
from .layout import result, rows
from .memory import empty
from .strips import Walk
from .threads import spread


class Windows:
    """The windows of pooling, on maps (H, C, W·N)."""

    def __init__(self, shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair) -> None:
        self.N, _, self.H, self.W = shape
        out = output_size(shape, kernel, stride, padding)
        self.down, self.across = (
            Walk(kernel[d], stride[d], -padding[d], shape[2 + d], out[d]) for d in (0, 1)
        )

    def taps(self) -> list[tuple[slice, int, slice]]:
        """For each column of the kernel: the windows of a row that see a pixel there, the
        pixels' place in the stride, and where these lie among the pixels of that place."""
        N, across = self.N, self.across
        found = []
        for v in range(across.k):
            a, b = across.windows(v)
            first, phase = divmod(across.first + across.stride * a + v, across.stride)
            found.append((slice(a * N, b * N), phase, slice(first * N, (first + b - a) * N)))
        return found

    def sorted_row(self, x: Array) -> list[Array]:
        """A row of pixels (C, W·N) by place in the stride: of each (C, pixels · N)."""
        if self.across.stride == 1:
            return [x]
        x = x.reshape(len(x), self.W, self.N)
        places = (x[:, p :: self.across.stride] for p in range(self.across.stride))
        return [np.ascontiguousarray(place).reshape(len(x), -1) for place in places]

    def seen(self, i: int) -> range:
        """The rows of pixels that row i of the windows sees."""
        u0, u1 = self.down.places(i)
        first = self.down.first + self.down.stride * i
        return range(first + u0, first + u1)


@twin(ops.pool.MaxPool2d, "numpy")
class MaxPool2d(ops.pool.MaxPool2d):
    """The textbook's max pooling; who was largest is found again in backward."""

    def suits(self, x: Array) -> bool:
        return x.ndim == 4 and x.size > 0

    def forward(self, x: Array) -> Array:
        windows = Windows(x.shape, self.kernel, self.stride, self.padding)
        X = rows(x)
        L = windows.across.out * windows.N
        Y = empty((windows.down.out, X.shape[1], L), x.dtype)
        taps = windows.taps()

        def work(start: int, stop: int) -> None:
            Y[:, start:stop] = -np.inf
            sorted_rows: dict[int, list[Array]] = {}
            for i in range(windows.down.out):
                y = Y[i, start:stop]
                seen = windows.seen(i)
                sorted_rows = {
                    h: sorted_rows.get(h) or windows.sorted_row(X[h, start:stop]) for h in seen
                }
                for h in seen:
                    for part, phase, pixels in taps:
                        best = y[:, part]
                        np.maximum(best, sorted_rows[h][phase][:, pixels], out=best)

        spread(work, X.shape[1], 3 * X.size)
        self.save(X, Y, windows)
        return result(Y, windows.N)

    def backward(self, gy: Array) -> Gradients:
        X, Y, windows = self.saved
        G = rows(gy)
        H, C, L = X.shape
        gX = empty((H, C, L), X.dtype)
        gx = gX.reshape(H, C, windows.W, windows.N)
        whole = np.dtype(f"i{X.itemsize}")
        stride = windows.across.stride
        taps = windows.taps()

        def work(start: int, stop: int) -> None:
            waiting: dict[int, tuple[list[Array], list[Array]]] = {}
            mask = empty((stop - start, Y.shape[2]), whole)

            def finish(h: int) -> None:
                for p, place in enumerate(waiting.pop(h)[1]):
                    part = gx[h, start:stop, p::stride]
                    part[...] = place.reshape(part.shape)

            gx[:, start:stop] = 0
            for i in range(windows.down.out):
                y, g = Y[i, start:stop], G[i, start:stop].view(whole)
                seen = windows.seen(i)
                for h in [h for h in waiting if h not in seen]:
                    finish(h)
                free = np.ones(y.shape, bool)
                for h in seen:
                    if h not in waiting:
                        pixels_of = windows.sorted_row(X[h, start:stop])
                        waiting[h] = pixels_of, [np.zeros_like(p) for p in pixels_of]
                    pixels_of, gradients = waiting[h]
                    for part, phase, pixels in taps:
                        won = np.equal(pixels_of[phase][:, pixels], y[:, part])
                        won &= free[:, part]
                        free[:, part] ^= won
                        share = mask[:, part]
                        np.negative(won.view(np.int8), out=share)  # all bits, or none
                        share &= g[:, part]
                        into = gradients[phase][:, pixels]
                        into += share.view(X.dtype)
            for h in list(waiting):
                finish(h)

        spread(work, C, 8 * X.size)
        return result(gX, windows.N)
