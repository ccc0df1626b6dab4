"""Which pixels meet which weight: the geometry of a convolution, a few rows at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..backend import Array


@dataclass(frozen=True)
class Walk:
    """Windows of k places, `stride` apart, along one dimension of `size` pixels.

    Place v of window j lies on pixel first + stride·j + v, or on padding where there is no
    such pixel; there are `out` windows.
    """

    k: int
    stride: int
    first: int
    size: int
    out: int

    def windows(self, v: int) -> tuple[int, int]:
        """The windows [a, b) whose place v lies on a pixel."""
        a = max(0, -((self.first + v) // self.stride))
        b = min(self.out, (self.size - 1 - self.first - v) // self.stride + 1)
        return a, max(a, b)

    def places(self, j: int) -> tuple[int, int]:
        """The places [u0, u1) of window j that lie on pixels."""
        start = self.first + self.stride * j
        u0 = min(max(0, -start), self.k)
        return u0, max(u0, min(self.k, self.size - start))

    def runs(self, start: int, stop: int, most: int) -> Iterator[tuple[int, int, int, int]]:
        """Windows [start, stop) as runs [i0, i1) of at most `most` with the same places."""
        i = start
        while i < stop:
            places, end = self.places(i), i + 1
            while end < min(stop, i + most) and self.places(end) == places:
                end += 1
            yield i, end, *places
            i = end


class Strip:
    """The pixels under the windows of rows [i0, i1), as matrices to multiply with.

    `pixels(v)` gives the windows [a, b) of a row whose column v lies on pixels, and a view
    (i1 − i0, (u1 − u0)·C, (b − a)·N) of those: for every row a matrix. Rows overlap where
    windows do. With a stride along the row its pixels are first sorted by their place in a
    stride, so that windows next to each other find theirs next to each other.
    """

    def __init__(
        self, x: Array, N: int, down: Walk, across: Walk, i0: int, i1: int, u0: int, u1: int
    ) -> None:
        _, C, L = x.shape
        self.N = N
        self.across = across
        top = down.first + down.stride * i0 + u0
        size = down.stride * (i1 - i0 - 1) + u1 - u0
        x = x[top : top + size]
        if across.stride == 1:
            phases = [x]
        else:
            x = x.reshape(size, C, L // N, N)
            phases = [np.ascontiguousarray(x[:, :, p :: across.stride]) for p in range(across.stride)]
        self.phases = [_stacked(phase, i1 - i0, u1 - u0, down.stride) for phase in phases]

    def pixels(self, v: int) -> tuple[int, int, Array]:
        """a, b, and the pixels that the windows [a, b) of each row have at column v."""
        a, b = self.across.windows(v)
        first, phase = divmod(self.across.first + self.across.stride * a + v, self.across.stride)
        return a, b, self.phases[phase][:, :, first * self.N : (first + b - a) * self.N]


def _stacked(x: Array, R: int, k: int, stride: int) -> Array:
    """k rows of pixels as one matrix, R times, `stride` rows further on each time: a view."""
    C = x.shape[1]
    L = x[0, 0].size
    down = x.strides[0]
    return np.ndarray((R, k * C, L), x.dtype, x, 0, (stride * down, down // C, x.itemsize))


def widened(x: Array, N: int, across: Walk) -> Array:
    """(H, C, W·N) -> (H, k·C, Wo·N): beside each pixel those of its window in the same row.

    What is left to do for a convolution is then to go down the rows.
    """
    H, C, L = x.shape
    x = x.reshape(H, C, L // N, N)
    wide = np.zeros((H, across.k, C, across.out, N), x.dtype)
    for v in range(across.k):
        a, b = across.windows(v)
        first = across.first + across.stride * a + v
        last = first + across.stride * (b - a)
        wide[:, v, :, a:b] = x[:, :, first : last : across.stride]
    return wide.reshape(H, across.k * C, across.out * N)
