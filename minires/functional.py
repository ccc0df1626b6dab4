"""The operations as functions, with PyTorch's names, parameter names and order.

Every function takes Tensors or arrays and returns a Tensor. Formulas say x, w, b and y for input,
weight, bias and output.
"""

from . import kernels
from .arguments import Pair, flag, integer, is_integer, real, shown
from .autograd import Operand, Tensor
from .backend import Array, array_module, is_array, note_write, placed, real_numbers
from .deprecated import old_parameters
from .errors import DTypeError, ShapeError, UsageError
from .modes import modes
from .ops import checks
from .ops.batchnorm import BatchNorm, BatchNormInference, moving_average
from .ops.conv import Conv2d
from .ops.loss import CrossEntropy, LogSoftmax
from .ops.matmul import Linear
from .ops.pool import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from .ops.relu import ReLU
from .ops.reshape import Pad


@old_parameters(x="input", w="weight", b="bias")
def linear(input: Operand, weight: Operand, bias: Operand = None) -> Tensor:
    """Return x wᵀ + b: (N, I), (O, I), (O,) -> (N, O)."""
    return Linear()(input, weight, bias)


@old_parameters(x="input")
def relu(input: Operand) -> Tensor:
    """Return max(x, 0), element by element; a NaN stays one, and so does its gradient."""
    return ReLU()(input)


@old_parameters(x="input", w="weight", b="bias")
def conv2d(
    input: Operand,
    weight: Operand,
    bias: Operand = None,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
) -> Tensor:
    """Return the cross-correlation of images with kernels, as every framework's "convolution".

    (N, C, H, W), (O, C, kh, kw), (O,) -> (N, O, Ho, Wo) with Ho = ⌊(H + 2p − kh) / s⌋ + 1;
    `stride` and `padding` (zeros) are one number or (vertical, horizontal).
    """
    return Conv2d(stride, padding)(input, weight, bias)


@old_parameters(x="input", w="weight", b="bias")
def batch_norm(
    input: Operand,
    running_mean: Operand | None,
    running_var: Operand | None,
    weight: Operand,
    bias: Operand,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel, then scale by w and shift by b: (N, C, ...) -> (N, C, ...).

    In training the batch's own statistics are used, and the running ones, where given, are
    updated in place: r ← (1 − momentum) r + momentum s, with s the mean or the *unbiased*
    variance of the batch (but not when activation checkpointing computes it a second time). In
    evaluation the running ones are used and must be given.
    """
    momentum = real(momentum, "momentum", 0, 1)
    if not flag(training, "training"):
        if running_mean is None or running_var is None:
            raise UsageError(
                "batch_norm in evaluation needs running_mean and running_var; got None"
            )
        return BatchNormInference(_array(running_mean), _array(running_var), eps)(
            input, weight, bias
        )
    op = BatchNorm(eps)
    y = op(input, weight, bias)
    if modes.recomputing:
        return y
    m = y.size // y.shape[1]
    batch = {"running_mean": (op.mean, 1.0), "running_var": (op.var, m / (m - 1))}
    running = {"running_mean": running_mean, "running_var": running_var}
    given = {name: _running(name, r) for name, r in running.items() if r is not None}
    checks.channels(y.held, **given)  # both, before either is changed
    for name, r in given.items():
        note_write(r, "batch_norm in training", name)
        kernels.call(moving_average, r, r, *batch[name], momentum)
    return y


def _array(x: Operand) -> Array:
    """Return the array of a tensor, or of what can become a tensor."""
    return x.data if isinstance(x, Tensor) else Tensor(x).data


def _running(name: str, r: Operand) -> Array:
    """Return the array of running statistics, or raise if it cannot be updated in place."""
    array = r.data if isinstance(r, Tensor) else r
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
) -> Tensor:
    """Return the largest value of each window: (N, C, H, W) -> (N, C, Ho, Wo); padding is −∞.

    The gradient goes to the first pixel of the largest value, or the first NaN; never to padding.
    """
    return MaxPool2d(kernel_size, stride, padding)(input)


@old_parameters(x="input")
def avg_pool2d(
    input: Operand,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
) -> Tensor:
    """Return the mean of each window: (N, C, H, W) -> (N, C, Ho, Wo); padding is 0 and counts."""
    return AvgPool2d(kernel_size, stride, padding)(input)


@old_parameters(x="input")
def global_avg_pool2d(input: Operand) -> Tensor:
    """Return the mean of each feature map: (N, C, H, W) -> (N, C)."""
    return GlobalAvgPool2d()(input)


@old_parameters(x="input")
def pad(input: Operand, pad: tuple[int, ...], value: float = 0.0) -> Tensor:
    """Return x with constants around its last dimensions, the last one first.

    `pad` is (left, right, top, bottom, ...).
    """
    x = input if isinstance(input, Tensor) else Tensor(input)
    widths = isinstance(pad, tuple | list) and all(map(is_integer, pad))
    if not widths or len(pad) % 2 or len(pad) > 2 * x.ndim:
        raise ShapeError(
            f"pad got {shown(pad)} for shape {x.shape}; expected two widths a dimension, "
            "the last one first"
        )
    pairs = list(zip(pad[::2], pad[1::2], strict=True))
    return Pad(((0, 0),) * (x.ndim - len(pairs)) + tuple(pairs[::-1]), value)(x)


@old_parameters(x="input")
def log_softmax(input: Operand, dim: int = -1) -> Tensor:
    """Return x − ln Σ eˣ along `dim`."""
    return LogSoftmax(dim)(input)


@old_parameters(x="input")
def cross_entropy(input: Operand, target: Operand, *, label_smoothing: float = 0.0) -> Tensor:
    """Return the mean cross-entropy of logits (N, C) and integer labels (N,): a single number."""
    x = input if isinstance(input, Tensor) else Tensor(input)
    if isinstance(target, Tensor):
        labels = target.data
    else:
        target = target if is_array(target) else array_module(x.data).asarray(real_numbers(target))
        labels = placed(target)
    return CrossEntropy(labels, label_smoothing)(x)


@old_parameters(x="input")
def shortcut_a(input: Operand, channels: int, stride: int) -> Tensor:
    """Return every `stride`-th pixel, and zero channels, half of them on each side: option A.

    (N, C, H, W) -> (N, channels, ⌈H / stride⌉, ⌈W / stride⌉), without a parameter
    (He et al. 2015, section 3.3).
    """
    x = input if isinstance(input, Tensor) else Tensor(input)
    stride, channels = integer(stride, "stride", 1), integer(channels, "channels", 1)
    if x.ndim != 4 or channels < x.shape[1]:
        raise ShapeError(
            f"shortcut_a got shape {x.shape} for {channels} channels; it can only add channels"
        )
    y = x[:, :, ::stride, ::stride] if stride > 1 else x
    missing = channels - x.shape[1]
    return pad(y, (0, 0, 0, 0, missing // 2, missing - missing // 2)) if missing else y
