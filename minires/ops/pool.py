"""Pooling: the largest or the mean value of a window, and the mean of a whole map."""

import math

from ..autograd import Gradients, Op
from ..backend import Array, array_module
from ..errors import DTypeError, ShapeError, expect
from .windows import Pair, col2im, im2col, output_size, pair


class Pool2d(Op):
    """An operation on the windows of each channel: (N, C, H, W) -> (N, C, Ho, Wo)."""

    outside = 0.0  # the value of the padding

    def __init__(
        self, kernel_size: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0
    ) -> None:
        self.kernel = pair(kernel_size, "kernel_size", at_least=1)
        self.stride = self.kernel if stride is None else pair(stride, "stride", at_least=1)
        self.padding = pair(padding, "padding", at_least=0)
        expect(
            all(2 * p <= k for p, k in zip(self.padding, self.kernel, strict=True)),
            ShapeError,
            f"padding must be at most half the kernel, got padding {self.padding} "
            f"for a kernel of {self.kernel}: a window could lie in the padding alone",
        )

    def windows(self, x: Array) -> Array:
        """(N, C, H, W) -> (C, kh·kw, Ho, Wo, N): the values of a window along dimension 1."""
        Ho, Wo = output_size(x.shape, self.kernel, self.stride, self.padding)
        columns = im2col(x, self.kernel, self.stride, self.padding, self.outside)
        return columns.reshape(x.shape[1], math.prod(self.kernel), Ho, Wo, x.shape[0])

    def add_back(self, gcolumns: Array) -> Array:
        """The transpose of `windows`."""
        C, _, Ho, Wo, N = gcolumns.shape
        columns = gcolumns.reshape(C, *self.kernel, Ho, Wo, N)
        return col2im(columns, self.input_shapes[0], self.stride, self.padding)


class MaxPool2d(Pool2d):
    """y = the largest value of each window; padding is −∞, so it never wins.

    gx = gy, added to the place the largest value came from (the first one of equals).
    Saves that place, kh·kw being small, as one byte a window (two above 256 places).
    """

    outside = -math.inf

    def forward(self, x: Array) -> Array:
        expect(x.dtype.kind == "f", DTypeError, f"max_pool2d expected floats, got {x.dtype}")
        columns = self.windows(x)
        places = columns.shape[1]
        self.save(columns.argmax(axis=1).astype("uint8" if places <= 256 else "uint16"))
        return columns.max(axis=1).transpose(3, 0, 1, 2)

    def backward(self, gy: Array) -> Gradients:
        (winner,) = self.saved
        xp = array_module(gy)
        places = xp.arange(math.prod(self.kernel), dtype=winner.dtype)
        won = winner[:, None] == places.reshape(1, -1, 1, 1, 1)  # (C, kh·kw, Ho, Wo, N)
        return self.add_back(xp.where(won, gy.transpose(1, 2, 3, 0)[:, None], 0))


class AvgPool2d(Pool2d):
    """y = the mean of each window, padding (0) included.

    gx = gy / (kh·kw), added to each place of the window.  Saves nothing.
    """

    def forward(self, x: Array) -> Array:
        return self.windows(x).mean(axis=1).transpose(3, 0, 1, 2)

    def backward(self, gy: Array) -> Gradients:
        places = math.prod(self.kernel)
        share = gy.transpose(1, 2, 3, 0)[:, None] / places
        C, _, *rest = share.shape
        return self.add_back(array_module(gy).broadcast_to(share, (C, places, *rest)))


class GlobalAvgPool2d(Op):
    """y = the mean of each map: (N, C, H, W) -> (N, C).  gx = gy / (H W), repeated.

    Saves nothing.
    """

    def forward(self, x: Array) -> Array:
        expect(x.ndim == 4, ShapeError, f"expected images (N, C, H, W), got shape {x.shape}")
        return x.mean(axis=(2, 3))

    def backward(self, gy: Array) -> Gradients:
        shape = self.input_shapes[0]
        share = (gy / (shape[2] * shape[3]))[:, :, None, None]
        return array_module(gy).broadcast_to(share, shape)
