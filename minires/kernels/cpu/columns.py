"""Convolution with a column matrix, where rows are short: few images, on small maps.

The products of `conv.py` are as wide as a row of all images, and a BLAS is slow on a few
columns. So here all windows of all images are the columns of one matrix for each column v of the
kernel, as in the reference, and the rows of the result are sorted out afterwards:

    Y = Σ_v W_v X_v                          (O, kh·C) (kh·C, Ho·Wo·N) -> (O, Ho·Wo·N)

The copies are small beside the products, which read all weights for these few columns. On one
image, on a core of an AMD EPYC, convolutions of resnet-18 have 1.1 (28x28) to 1.6 times (7x7) the
speed of those in `conv.py`; without this file the whole net takes 1.3 times as long
(`python benchmarks/tuning.py column_row=0`).
"""

import math

import numpy as np

from ...backend import Array
from ..geometry import Axis
from .gemm import effort
from .memory import empty
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
        # So few columns that to read the weights is work beside the arithmetic.
        self.effort = effort(math.prod(self.y), terms) + O * terms
        self.taps = []
        for v in range(across.taps):
            columns, x_columns = across.valid_slices(v)
            for u in range(down.taps):
                rows, x_rows = down.valid_slices(u)
                self.taps.append(((v, u), (rows, columns), (x_rows, x_columns)))

    def __call__(self, x: Array, w: Array) -> Array:
        kw, kh, C, *out = self.X
        x = x.reshape(self.x).swapaxes(0, 1)
        columns = np.zeros(self.X, x.dtype)
        for tap, windows, pixels in self.taps:
            columns[tap][:, *windows] = x[:, *pixels]
        X = columns.reshape(kw, kh * C, math.prod(out))
        W = np.ascontiguousarray(w.transpose(3, 0, 2, 1)).reshape(kw, len(w), kh * C)
        y = empty(self.y, x.dtype)

        def work(start: int, stop: int) -> None:
            part = np.add.reduce(np.matmul(W[:, start:stop], X))
            y[:, start:stop] = part.reshape(stop - start, len(y), y.shape[2]).swapaxes(0, 1)

        parallel_for(work, len(w), self.effort)
        return y
