"""Convolution where rows are short: few images, on small maps.

The products of `conv.py` are as wide as a row of all images, and a BLAS is slow on a few
columns. So here all windows of all images are the columns of one matrix for each column v of the
kernel, as in the reference, and the rows of the result are sorted out afterwards:

    Y = Σ_v W_v X_v                          (O, kh·C) (kh·C, Ho·Wo·N) -> (O, Ho·Wo·N)

The copies are small beside the products, which read all weights for these few columns. On one
image, on a core of an AMD EPYC, convolutions of resnet-18 have 1.1 (28x28) to 1.6 times (7x7) the
speed of those in `conv.py`; without this file the whole net takes 1.3 times as long
(`python benchmarks/tuning.py column_row=0`).

A sum of the weight gradient has as few terms as a row is long, and the results of all rows are to
be added up. So here the rows are joined, and for each tap (u, v) of the kernel all is one sum:

    gW_uv = gY_uv X_uvᵀ                      (O, Ho·Wo·N) (Ho·Wo·N, C) -> (O, C)

With two threads of an AMD EPYC (AVX2) that takes 0.13 (one image) and 0.6 (16 images) of the time
of `conv.py` for 512 channels at 7x7, 0.3 for 256 at 14x14 and one image, and 0.6 for 64 at 2x2 and
32 images; for many rows of few channels it would take twice as long.
"""

import math

import numpy as np

from ...backend import Array
from ..geometry import Axis
from .memory import contiguous, empty
from .threads import parallel_for
from .tuning import tuning


def are_few(across: Axis, N: int) -> bool:
    """Return whether rows of N images are so short that a column matrix is faster."""
    return across.out * N < tuning.column_row


class ColumnCorrelation:
    """Σ_v W_v X_v: (H, C, W·N), (O, C, kh, kw) -> (Ho, O, Wo·N)."""

    def __init__(self, O: int, C: int, down: Axis, across: Axis, N: int) -> None:
        self.x = (down.size, C, across.size, N)
        self.y = (down.out, O, across.out * N)
        self.X = (across.taps, down.taps, C, down.out, across.out, N)
        terms = across.taps * down.taps * C
        self.products = math.prod(self.y) * terms
        self.weights = O * terms  # so many for so few columns that to read them is work too
        self.taps = []
        for v in range(across.taps):
            columns, x_columns = across.valid_slices(v)
            for u in range(down.taps):
                rows, x_rows = down.valid_slices(u)
                self.taps.append(((v, u), (rows, columns), (x_rows, x_columns)))
        whole = slice(0, down.out), slice(0, across.out)
        self.padded = any(windows != whole for _, windows, _ in self.taps)

    def __call__(self, x: Array, w: Array) -> Array:
        kw, kh, C, *out = self.X
        x = x.reshape(self.x).swapaxes(0, 1)
        columns = empty(self.X, x.dtype)

        def gather(start: int, stop: int) -> None:
            pixels_of, windows_of = x[start:stop], columns[:, :, start:stop]
            if self.padded:
                windows_of[...] = 0
            for tap, windows, pixels in self.taps:
                windows_of[tap][:, *windows] = pixels_of[:, *pixels]

        parallel_for(gather, C, 8 * columns.size)  # short runs take long
        X = columns.reshape(kw, kh * C, math.prod(out))
        W = contiguous(w.transpose(3, 0, 2, 1)).reshape(kw, len(w), kh * C)
        y = empty(self.y, x.dtype)

        def work(start: int, stop: int) -> None:
            parts = np.matmul(W[:, start:stop], X)
            part = parts[0] if kw == 1 else np.add.reduce(parts)
            y[:, start:stop] = part.reshape(stop - start, len(y), y.shape[2]).swapaxes(0, 1)

        parallel_for(work, len(w), self.weights, self.products)
        return y


class JoinedWeightGradient:
    """gW_uv = gY_uv X_uvᵀ: (H, C, W·N), (Ho, O, Wo·N) -> (O, C, kh, kw)."""

    def __init__(self, O: int, C: int, down: Axis, across: Axis, N: int) -> None:
        self.x = (down.size, across.size, N, C)
        self.g = (down.out, O, across.out, N)
        self.gW = (across.taps, O, down.taps, C)
        self.products = math.prod(self.g) * across.taps * down.taps * C
        self.rows = [down.valid_slices(u) for u in range(down.taps)]
        self.columns = [across.valid_slices(v) for v in range(across.taps)]

    def __call__(self, x: Array, g: Array) -> Array:
        x = contiguous(x.swapaxes(1, 2)).reshape(self.x)  # channels innermost
        g = g.reshape(self.g).swapaxes(0, 1)
        gW = empty(self.gW, x.dtype)

        def work(start: int, stop: int) -> None:
            for v, (windows, pixels) in enumerate(self.columns):
                of_g = contiguous(g[start:stop, :, windows])
                of_x = contiguous(x[:, pixels])
                for u, (rows, pixel_rows) in enumerate(self.rows):
                    left = of_g[:, rows].reshape(stop - start, -1)
                    right = of_x[pixel_rows].reshape(-1, x.shape[-1])
                    np.matmul(left, right, out=gW[v, start:stop, u])

        parallel_for(work, len(g), products=self.products)
        return gW.transpose(1, 3, 2, 0)  # (kw, O, kh, C) until here
