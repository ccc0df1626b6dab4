"""Feature maps cut into strips of a few rows, as a convolution multiplies them.

What lies on padding is in no strip. That takes 4 to 15 % off the time of a convolution with zeros
around its images: v3 beside v2 in the ladder of ../README.md (AMD EPYC).
"""

from collections.abc import Iterator
from typing import NamedTuple

from ...backend import Array
from ..geometry import Axis
from .memory import contiguous, empty, zeros
from .tuning import tuning


class Tap(NamedTuple):
    """A column of the kernel, and what it adds to each row of the result.

    Attributes:
        v: its number.
        windows: the columns of the result it adds to.
        phase: the stride phase of the pixels for these; pixels: where in it they are.
    """

    v: int
    windows: slice
    phase: int
    pixels: slice


class Strip(NamedTuple):
    """Rows [i0, i1) of windows, of which the same taps [u0, u1) lie on pixels."""

    i0: int
    i1: int
    u0: int
    u1: int


class Strips:
    """Feature maps (H, C, W·N), cut into strips of up to `most` rows of windows.

    In a strip all windows have the same taps on pixels, so that the pixels under a row of them
    are one matrix, and under several rows a stack of matrices that overlap.

    Attributes:
        taps: the columns of the kernel that lie on pixels, the one with most first.
        covered: whether the first of them adds to all of the result.
    """

    def __init__(self, down: Axis, across: Axis, N: int, most: int) -> None:
        self.N = N
        self.stride = across.stride
        # Zeros above and below make one strip of small maps; three would cost more than they do:
        # 5 to 6 % of a training step on 32 digits (resnet-20 and -56, AMD EPYC,
        # `python benchmarks/tuning.py margin_windows=0`).
        few = down.out * across.out * N <= tuning.margin_windows
        small = few and most >= down.out >= tuning.margin_rows
        self.margins = _reach(down) if small else (0, 0)
        above, below = self.margins
        size = down.size + above + below
        self.down = Axis(down.taps, down.stride, down.first + above, size, down.out)
        self.most = most
        self.taps: list[Tap] = []
        valid = ((v, *across.valid_range(v)) for v in range(across.taps))
        for v, a, b in sorted(valid, key=lambda tap: tap[1] - tap[2]):
            if a < b:
                first, phase = divmod(across.first + across.stride * a + v, across.stride)
                pixels = slice(first * N, (first + b - a) * N)
                self.taps.append(Tap(v, slice(a * N, b * N), phase, pixels))
        self.covered = bool(self.taps) and self.taps[0].windows == slice(0, across.out * N)
        self._strips: dict[tuple[int, int], list[Strip]] = {}

    def padded(self, x: Array) -> Array:
        """Return x with the margins."""
        above, below = self.margins
        if not above and not below:
            return x
        H, C, L = x.shape
        y = empty((above + H + below, C, L), x.dtype)
        y[:above] = 0
        y[above : above + H] = x
        y[above + H :] = 0
        return y

    def within(self, start: int, stop: int) -> list[Strip]:
        """Return the strips of rows [start, stop)."""
        if (start, stop) not in self._strips:
            self._strips[start, stop] = list(self._cut(start, stop))
        return self._strips[start, stop]

    def _cut(self, start: int, stop: int) -> Iterator[Strip]:
        i = start
        while i < stop:
            taps, end = self.down.valid_taps(i), i + 1
            while end < min(stop, i + self.most) and self.down.valid_taps(end) == taps:
                end += 1
            yield Strip(i, end, *taps)
            i = end

    def phases(self, x: Array, strip: Strip) -> list[Array]:
        """Return the pixels under a strip: (i1 − i0, (u1 − u0)·C, W·N), a matrix for each row.

        With a stride along the row there is one such stack for each stride phase, so that
        windows next to each other find their pixels next to each other.
        """
        i0, i1, u0, u1 = strip
        _, C, L = x.shape
        stride = self.down.stride
        top = self.down.first + stride * i0 + u0
        size = stride * (i1 - i0 - 1) + u1 - u0
        x = x[top : top + size]
        if self.stride == 1:
            return [_stacked(x, i1 - i0, u1 - u0, stride)]
        x = x.reshape(size, C, L // self.N, self.N)
        by_phase = (contiguous(x[:, :, p :: self.stride]) for p in range(self.stride))
        return [_stacked(phase, i1 - i0, u1 - u0, stride) for phase in by_phase]


def _reach(down: Axis) -> tuple[int, int]:
    """Return the rows of padding above and below that windows reach."""
    last = down.first + down.stride * (down.out - 1) + down.taps
    return max(0, -down.first), max(0, last - down.size)


def _stacked(x: Array, R: int, k: int, stride: int) -> Array:
    """Return k rows of pixels as one matrix, R times, `stride` rows further on each: a view."""
    C, L = x.shape[1], x[0, 0].size
    down = x.strides[0]
    return type(x)((R, k * C, L), x.dtype, x, 0, (stride * down, down // C, x.itemsize))


def widened(x: Array, N: int, across: Axis) -> Array:
    """Return x with the taps of a row beside each pixel: (H, C, W·N) -> (H, k·C, Wo·N).

    What is left to do for a convolution is then to go down the rows. Of the first layers of nets,
    with three channels, it is worth 1.4 to 1.9 times the speed forward, and 5 % of resnet-18 on one
    image (AMD EPYC, `python benchmarks/tuning.py widened_rows=0`).
    """
    H, C, L = x.shape
    x = x.reshape(H, C, L // N, N)
    wide = zeros((H, across.taps, C, across.out, N), x.dtype)
    for v in range(across.taps):
        windows, pixels = across.valid_slices(v)
        wide[:, v, :, windows] = x[:, :, pixels]
    return wide.reshape(H, across.taps * C, across.out * N)
