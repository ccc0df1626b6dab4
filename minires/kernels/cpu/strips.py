"""Which pixels meet which weight: the geometry of a convolution, a few rows at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...backend import Array


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

    def meetings(self, v: int) -> tuple[slice, slice]:
        """The windows whose place v lies on a pixel, and these pixels."""
        a, b = self.windows(v)
        if a == b:
            return slice(0), slice(0)
        start = self.first + self.stride * a + v
        return slice(a, b), slice(start, start + self.stride * (b - a), self.stride)

    def places(self, j: int) -> tuple[int, int]:
        """The places [u0, u1) of window j that lie on pixels."""
        start = self.first + self.stride * j
        u0 = min(max(0, -start), self.k)
        return u0, max(u0, min(self.k, self.size - start))

    def turned(self, place: int) -> "tuple[slice, Walk]":
        """Of the pixels at `place` of a stride: the kernel's places that meet them, last first,
        and their walk over the windows that they are in."""
        shift, least = divmod(place - self.first, self.stride)
        met = range(least, self.k, self.stride)
        pixels = len(range(place, self.size, self.stride))
        before = least - self.stride  # where a slice going down must stop; -1 would be the end
        places = slice(met[-1], before if before >= 0 else None, -self.stride) if met else slice(0)
        return places, Walk(len(met), 1, shift - len(met) + 1, self.out, pixels)


class Strips:
    """Maps (H, C, W·N), cut into strips of up to `most` rows of windows.

    In a strip all windows have the same places on pixels, so that the pixels under a row of
    them are one matrix, and under several rows a stack of matrices that overlap.

    Attributes:
        taps: for each column v of the kernel that meets pixels, the one that meets most
            first: v, the columns of the result it adds to, the phase of the pixels for these,
            and where in it they are.
        covered: whether the first of them adds to all of the result.
    """

    def __init__(self, down: Walk, across: Walk, N: int, most: int) -> None:
        self.N = N
        self.stride = across.stride
        # Zeros above and below make one strip of small maps; three would cost more than they.
        small = down.out * across.out * N <= _SMALL and most >= down.out >= _FEW_ROWS
        self.reach = _reach(down)
        self.margins = self.reach if small else (0, 0)
        above, below = self.margins
        size = down.size + above + below
        self.down = Walk(down.k, down.stride, down.first + above, size, down.out)
        self.most = most
        self.taps: list[tuple[int, slice, int, slice]] = []
        met = ((v, *across.windows(v)) for v in range(across.k))
        for v, a, b in sorted(met, key=lambda tap: tap[1] - tap[2]):
            if a < b:
                first, phase = divmod(across.first + across.stride * a + v, across.stride)
                pixels = slice(first * N, (first + b - a) * N)
                self.taps.append((v, slice(a * N, b * N), phase, pixels))
        self.covered = bool(self.taps) and self.taps[0][1] == slice(0, across.out * N)
        self._runs: dict[tuple[int, int], list[tuple[int, int, int, int]]] = {}

    def beside_each_other(self, x: Array) -> Array:
        """x with the channels of a pixel side by side, and zeros above and below:
        (H, C, W·N) -> (rows that windows reach, W·N, C)."""
        H, C, L = x.shape
        above, below = self.reach
        y = np.zeros((above + H + below, L, C), x.dtype)
        y[above : above + H] = x.swapaxes(1, 2)
        return y

    def padded(self, x: Array) -> Array:
        """x with the margins."""
        above, below = self.margins
        if not above and not below:
            return x
        H, C, L = x.shape
        y = np.empty((above + H + below, C, L), x.dtype)
        y[:above] = 0
        y[above : above + H] = x
        y[above + H :] = 0
        return y

    def runs(self, start: int, stop: int) -> list[tuple[int, int, int, int]]:
        """The strips of rows [start, stop): rows [i0, i1), whose places [u0, u1) are pixels."""
        if (start, stop) not in self._runs:
            self._runs[start, stop] = list(self._cut(start, stop))
        return self._runs[start, stop]

    def _cut(self, start: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
        i = start
        while i < stop:
            places, end = self.down.places(i), i + 1
            while end < min(stop, i + self.most) and self.down.places(end) == places:
                end += 1
            yield i, end, *places
            i = end

    def phases(self, x: Array, i0: int, i1: int, u0: int, u1: int) -> list[Array]:
        """The pixels under a strip: (i1 − i0, (u1 − u0)·C, W·N), for each row a matrix.

        With a stride along the row there is one such stack for each place in a stride, so that
        windows next to each other find their pixels next to each other.
        """
        _, C, L = x.shape
        stride = self.down.stride
        top = self.down.first + stride * i0 + u0
        size = stride * (i1 - i0 - 1) + u1 - u0
        x = x[top : top + size]
        if self.stride == 1:
            return [_stacked(x, i1 - i0, u1 - u0, stride)]
        x = x.reshape(size, C, L // self.N, self.N)
        sorted_out = (np.ascontiguousarray(x[:, :, p :: self.stride]) for p in range(self.stride))
        return [_stacked(phase, i1 - i0, u1 - u0, stride) for phase in sorted_out]


_SMALL = 2048  # windows; of more of them, products with zeros cost more than calls
_FEW_ROWS = 4  # of fewer, too much of the work would be with zeros


def _reach(down: Walk) -> tuple[int, int]:
    """The rows of padding above and below that windows reach."""
    last = down.first + down.stride * (down.out - 1) + down.k
    return max(0, -down.first), max(0, last - down.size)


def _stacked(x: Array, R: int, k: int, stride: int) -> Array:
    """k rows of pixels as one matrix, R times, `stride` rows further on each time: a view."""
    C, L = x.shape[1], x[0, 0].size
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
        windows, pixels = across.meetings(v)
        wide[:, v, :, windows] = x[:, :, pixels]
    return wide.reshape(H, across.k * C, across.out * N)
