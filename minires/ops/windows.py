"""What convolution and pooling share: cutting images into windows, and its transpose.

Both go over the kh · kw taps of a kernel instead of over the windows: for one tap (i, j), the
pixels that all windows have there are one strided slice of the padded image.
"""

from ..arguments import Pair
from ..backend import Array, array_module


def output_size(
    shape: tuple[int, ...], kernel: tuple[int, ...], stride: Pair, padding: Pair
) -> Pair:
    """Return (Ho, Wo) of windows on images of `shape` (N, C, H, W): ⌊(H + 2p − k) / s⌋ + 1."""
    Ho, Wo = ((shape[2 + d] + 2 * padding[d] - kernel[d]) // stride[d] + 1 for d in (0, 1))
    return Ho, Wo


def im2col(
    x: Array, kernel: tuple[int, ...], stride: Pair, padding: Pair, outside: float = 0.0
) -> Array:
    """Return the windows of x: (N, C, H, W) -> (C, kh, kw, Ho, Wo, N), a new array.

    Padding has the value `outside`. With Ho, Wo and N last, all windows of the batch are
    the columns of one matrix of C · kh · kw rows (Chellapilla et al. 2006); with N the very
    last, a shifted row of pixels is one run of Wo · N numbers to copy.
    """
    N, C, H, W = x.shape
    (kh, kw), (sh, sw), (ph, pw) = kernel, stride, padding
    Ho, Wo = output_size(x.shape, kernel, stride, padding)
    xp = array_module(x)
    x = x.transpose(1, 2, 3, 0)
    if ph or pw:
        padded = xp.full((C, H + 2 * ph, W + 2 * pw, N), outside, x.dtype)
        padded[:, ph : ph + H, pw : pw + W] = x
        x = padded
    columns: Array = xp.empty((C, kh, kw, Ho, Wo, N), x.dtype)
    for i in range(kh):
        for j in range(kw):
            columns[:, i, j] = x[:, i : i + sh * Ho : sh, j : j + sw * Wo : sw]
    return columns


def col2im(columns: Array, shape: tuple[int, ...], stride: Pair, padding: Pair) -> Array:
    """Apply the transpose of im2col: (C, kh, kw, Ho, Wo, N) -> `shape` (N, C, H, W).

    Where windows overlap a pixel was copied several times, so here it is added up.
    """
    N, C, H, W = shape
    _, kh, kw, Ho, Wo, _ = columns.shape
    (sh, sw), (ph, pw) = stride, padding
    gx: Array = array_module(columns).zeros((C, H + 2 * ph, W + 2 * pw, N), columns.dtype)
    for i in range(kh):
        for j in range(kw):
            gx[:, i : i + sh * Ho : sh, j : j + sw * Wo : sw] += columns[:, i, j]
    return gx[:, ph : ph + H, pw : pw + W].transpose(3, 0, 1, 2)
