"""What convolution and pooling share: cutting images into windows, and its transpose.

Both walk over the kh · kw places of a kernel instead of over the windows: for one place
(i, j), the pixels that all windows have there are one strided slice of the padded image.
"""

import numpy as np

from ..backend import Array, array_module
from ..errors import ShapeError, UsageError, expect

Pair = tuple[int, int]


def pair(value: int | tuple[int, int], name: str, at_least: int) -> Pair:
    """`value`, or `value` twice: (vertical, horizontal)."""
    both = tuple(value) if isinstance(value, tuple | list) else (value, value)
    expect(
        len(both) == 2 and all(isinstance(n, int | np.integer) and n >= at_least for n in both),
        UsageError,
        f"{name} must be one or two integers of at least {at_least}, got {value!r}",
    )
    return int(both[0]), int(both[1])


def output_size(shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair) -> Pair:
    """(Ho, Wo) of windows on maps of `shape` (N, C, H, W): ⌊(H + 2p − k) / s⌋ + 1."""
    expect(len(shape) == 4, ShapeError, lambda: f"expected images (N, C, H, W), got shape {shape}")
    H, W = shape[2] + 2 * padding[0], shape[3] + 2 * padding[1]
    expect(
        kernel[0] <= H and kernel[1] <= W,
        ShapeError,
        lambda: f"a kernel of {kernel[0]}x{kernel[1]} is larger than the padded input of {H}x{W}",
    )
    return (H - kernel[0]) // stride[0] + 1, (W - kernel[1]) // stride[1] + 1


def im2col(x: Array, kernel: Pair, stride: Pair, padding: Pair, outside: float = 0.0) -> Array:
    """The windows of x: (N, C, H, W) -> (C, kh, kw, Ho, Wo, N), a new array.

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
    """The transpose of im2col: (C, kh, kw, Ho, Wo, N) -> `shape` (N, C, H, W).

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
