"""Pooling: the largest or the mean value of a window, and the mean of a whole feature map."""

import math
from typing import Any

import numpy as np

from ..arguments import Pair, pair
from ..backend import Array, array_module
from . import checks
from .op import Gradients, Op
from .windows import col2im, im2col, output_size


class Pool2d(Op):
    """An operation on the windows of each channel: (N, C, H, W) -> (N, C, Ho, Wo)."""

    check = checks.pool2d
    outside = 0.0  # the value of the padding

    def __init__(
        self, kernel_size: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0
    ) -> None:
        self.kernel_size = pair(kernel_size, "kernel_size", at_least=1)
        self.stride = self.kernel_size if stride is None else pair(stride, "stride", at_least=1)
        self.padding = pair(padding, "padding", at_least=0)
        checks.pool_padding(self.padding, self.kernel_size)

    def windows(self, x: Array) -> Array:
        """(N, C, H, W) -> (C, kh·kw, Ho, Wo, N): the values of a window along dimension 1."""
        Ho, Wo = output_size(x.shape, self.kernel_size, self.stride, self.padding)
        columns = im2col(x, self.kernel_size, self.stride, self.padding, self.outside)
        return columns.reshape(x.shape[1], math.prod(self.kernel_size), Ho, Wo, x.shape[0])

    def add_back(self, gcolumns: Array) -> Array:
        """The transpose of `windows`."""
        C, _, Ho, Wo, N = gcolumns.shape
        columns = gcolumns.reshape(C, *self.kernel_size, Ho, Wo, N)
        return col2im(columns, self.input_shapes[0], self.stride, self.padding)


def tap_dtype(taps: int) -> np.dtype[Any]:
    """Return the smallest type that tells so many taps apart."""
    return np.min_scalar_type(taps - 1)


class MaxPool2d(Pool2d):
    """y = the largest value of each window; padding is −∞, and never wins, even over −∞.

    gx = gy, added to the pixel that the largest value came from: the first one of equals, and the
    first NaN where there is one. Saves the kernel tap of that pixel, as one byte a window (two or
    four where there are more taps than a byte can tell apart).
    """

    outside = -math.inf

    def forward(self, x: Array) -> Array:
        columns = self.windows(x)
        _, taps, Ho, Wo, _ = columns.shape
        xp = array_module(x)
        winner = xp.maximum(columns.argmax(axis=1), self.first_pixel(xp, Ho, Wo))
        self.save(winner.astype(tap_dtype(taps)))
        return columns.max(axis=1).transpose(3, 0, 1, 2)

    def first_pixel(self, xp: Any, Ho: int, Wo: int) -> Array:
        """Return (Ho, Wo, 1): the first tap of each window that lies on a pixel."""
        (sh, sw), (ph, pw) = self.stride, self.padding
        u = xp.maximum(ph - sh * xp.arange(Ho), 0)
        v = xp.maximum(pw - sw * xp.arange(Wo), 0)
        return (u[:, None] * self.kernel_size[1] + v)[:, :, None]

    def backward(self, gy: Array) -> Gradients:
        (winner,) = self.saved
        xp = array_module(gy)
        taps = xp.arange(math.prod(self.kernel_size), dtype=winner.dtype)
        won = winner[:, None] == taps.reshape(1, -1, 1, 1, 1)  # (C, kh·kw, Ho, Wo, N)
        return self.add_back(xp.where(won, gy.transpose(1, 2, 3, 0)[:, None], 0))


class AvgPool2d(Pool2d):
    """y = the mean of each window, padding (0) included.

    gx = gy / (kh·kw), added to each pixel of the window.  Saves nothing.
    """

    def forward(self, x: Array) -> Array:
        return self.windows(x).mean(axis=1).transpose(3, 0, 1, 2)

    def backward(self, gy: Array) -> Gradients:
        taps = math.prod(self.kernel_size)
        share = gy.transpose(1, 2, 3, 0)[:, None] / taps
        C, _, *rest = share.shape
        return self.add_back(array_module(gy).broadcast_to(share, (C, taps, *rest)))


class GlobalAvgPool2d(Op):
    """y = the mean of each feature map: (N, C, H, W) -> (N, C).  gx = gy / (H W), repeated.

    Saves nothing.
    """

    check = checks.global_avg_pool2d

    def forward(self, x: Array) -> Array:
        return x.mean(axis=(2, 3))

    def backward(self, gy: Array) -> Gradients:
        shape = self.input_shapes[0]
        share = (gy / (shape[2] * shape[3]))[:, :, None, None]
        return array_module(gy).broadcast_to(share, shape)
