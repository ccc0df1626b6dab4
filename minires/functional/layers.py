"""Products, normalisation, pooling and dropout: what layers apply."""

import math

import numpy as np

from ..arguments import Pair, flag, real, shown
from ..autograd import Operand, Tensor
from ..backend import (
    Array,
    array_module,
    backend_name,
    generator,
    is_array,
    move,
    note_write,
    recorded,
)
from ..deprecated import old_parameters
from ..errors import DTypeError, ShapeError, UsageError
from ..modes import modes
from ..ops.batchnorm import BatchNorm, BatchNormInference, SyncBatchNorm, Total
from ..ops.conv import Conv2d
from ..ops.matmul import Linear
from ..ops.pool import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from ..ops.relu import ReLU
from ..pytorch import expect_only
from .shapes import as_tensor


@old_parameters(x="input", w="weight", b="bias")
def linear(input: Operand, weight: Operand, bias: Operand = None) -> Tensor:
    """Return x wᵀ + b: (N, I), (O, I), (O,) -> (N, O); or (..., I) -> (..., O)."""
    if getattr(input, "ndim", 2) == 2:
        return Linear()(input, weight, bias)
    x = as_tensor(input)
    if not x.ndim:
        raise ShapeError("linear got a single number; expected (..., I)")
    rows = Linear()(x.reshape(math.prod(x.shape[:-1]), x.shape[-1]), weight, bias)
    return rows.reshape(*x.shape[:-1], rows.shape[1])


@old_parameters(x="input")
def relu(input: Operand, inplace: bool = False) -> Tensor:
    """Return max(x, 0), element by element; a NaN stays one, and so does its gradient.

    No tensor is ever changed: `inplace` is taken, and does nothing.
    """
    return ReLU()(input)


@old_parameters(x="input", w="weight", b="bias")
def conv2d(
    input: Operand,
    weight: Operand,
    bias: Operand = None,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Tensor:
    """Return the cross-correlation of images with kernels, as every framework's "convolution".

    (N, C, H, W), (O, C, kh, kw), (O,) -> (N, O, Ho, Wo) with Ho = ⌊(H + 2p − kh) / s⌋ + 1;
    `stride` and `padding` (zeros) are one number or (vertical, horizontal); `dilation` and
    `groups` can only be 1.
    """
    expect_only(dilation=dilation, groups=groups)
    return Conv2d(stride, padding)(input, weight, bias)


@old_parameters(x="input", w="weight", b="bias")
def batch_norm(
    input: Operand,
    running_mean: Operand | None,
    running_var: Operand | None,
    weight: Operand = None,
    bias: Operand = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    total: Total | None = None,
) -> Tensor:
    """Normalise each channel, then scale by w and shift by b: (N, C, ...) -> (N, C, ...).

    Without w it is not scaled, without b not shifted.

    In training the batch's own statistics are used, and the running ones, where given, are
    updated in place: r ← (1 − momentum) r + momentum s, with s the mean or the *unbiased*
    variance of the batch (but not when activation checkpointing computes it a second time). In
    evaluation the running ones are used and must be given.

    With `total`, which returns the sum of an array over all ranks, the statistics of training are
    those of the images of all ranks; see `SyncBatchNorm`.
    """
    momentum = real(momentum, "momentum", 0, 1)
    if weight is None or bias is None:
        input = as_tensor(input)
        xp, C = array_module(input.data), input.shape[1:2]
        weight = xp.ones(C, input.dtype) if weight is None else weight
        bias = xp.zeros(C, input.dtype) if bias is None else bias
    if not flag(training, "training"):
        if running_mean is None or running_var is None:
            raise UsageError(
                "batch_norm in evaluation needs running_mean and running_var; got None"
            )
        mean, var = (recorded(as_tensor(s).data) for s in (running_mean, running_var))
        return BatchNormInference(mean, var, eps)(input, weight, bias)
    given = {"running_mean": running_mean, "running_var": running_var}
    moved = {name: None if modes.recomputing else _running(name, r) for name, r in given.items()}
    for name, r in moved.items():
        if r is not None:
            note_write(r, "batch_norm in training", name)
    how = eps, tuple(map(recorded, moved.values())), momentum
    op = BatchNorm(*how) if total is None else SyncBatchNorm(total, *how)
    y: Tensor = op(input, weight, bias)
    return y


def _running(name: str, r: Operand) -> Array | None:
    """Return the array of running statistics, or raise if it cannot be updated in place."""
    array = r.data if isinstance(r, Tensor) else r
    if array is None:
        return None
    if not is_array(array) or array.dtype.kind != "f":
        raise DTypeError(
            f"{name} is updated in place; expected a tensor or an array of floats, got {shown(r)}"
        )
    return array


@old_parameters(x="input")
def max_pool2d(
    input: Operand,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    dilation: int = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    """Return the largest value of each window: (N, C, H, W) -> (N, C, Ho, Wo); padding is −∞.

    The gradient goes to the first pixel of the largest value, or the first NaN; never to padding.
    Of what comes after `padding` there is the default alone.
    """
    expect_only(dilation=dilation, ceil_mode=ceil_mode, return_indices=return_indices)
    return MaxPool2d(kernel_size, stride, padding)(input)


@old_parameters(x="input")
def avg_pool2d(
    input: Operand,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: None = None,
) -> Tensor:
    """Return the mean of each window: (N, C, H, W) -> (N, C, Ho, Wo); padding is 0 and counts.

    Of what comes after `padding` there is the default alone.
    """
    expect_only(ceil_mode=ceil_mode, count_include_pad=count_include_pad)
    expect_only(divisor_override=divisor_override)
    return AvgPool2d(kernel_size, stride, padding)(input)


@old_parameters(x="input")
def global_avg_pool2d(input: Operand) -> Tensor:
    """Return the mean of each feature map: (N, C, H, W) -> (N, C)."""
    return GlobalAvgPool2d()(input)


def adaptive_avg_pool2d(input: Operand, output_size: int | Pair) -> Tensor:
    """Return the mean of each feature map as one pixel: (N, C, H, W) -> (N, C, 1, 1).

    `output_size` can only be 1; `global_avg_pool2d` leaves the sizes of 1 out.
    """
    expect_only(output_size=output_size)
    y = global_avg_pool2d(input)
    return y.reshape(*y.shape, 1, 1)


def dropout(input: Operand, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Return x m / (1 − p), m being 0 with probability p and 1 otherwise; x when not `training`.

    The mean of each element stays what it is (Srivastava et al. 2014, section 10). Random numbers
    are those of `minires.manual_seed`. No tensor is changed: `inplace` does nothing.
    """
    x, p = as_tensor(input), real(p, "p", 0, 1)
    if not flag(training, "training") or p == 0:
        return x
    kept = generator().random(x.shape) >= p
    scale = np.asarray(1 / (1 - p) if p < 1 else 0, x.dtype)
    return x * move(kept * scale, backend_name(x.held))
