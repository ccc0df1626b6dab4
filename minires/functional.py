"""The operations as functions, with PyTorch's names and argument order.

Every function takes Tensors or arrays and returns a Tensor.
"""

from . import kernels
from .autograd import Operand, Tensor
from .backend import Array, array_module, is_array, placed
from .errors import ShapeError, UsageError, expect
from .modes import modes
from .ops import checks
from .ops.batchnorm import BatchNorm, BatchNormInference, moving_average
from .ops.checks import Pair, pair
from .ops.conv import Conv2d
from .ops.loss import CrossEntropy, LogSoftmax
from .ops.matmul import Linear
from .ops.pool import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from .ops.relu import ReLU
from .ops.reshape import Pad


def linear(x: Operand, w: Operand, b: Operand = None) -> Tensor:
    """x wᵀ + b: (N, I), (O, I), (O,) -> (N, O)."""
    return Linear()(x, w, b)


def relu(x: Operand) -> Tensor:
    """max(x, 0), element by element."""
    return ReLU()(x)


def conv2d(
    x: Operand, w: Operand, b: Operand = None, stride: int | Pair = 1, padding: int | Pair = 0
) -> Tensor:
    """Cross-correlation of images with kernels, as every framework's "convolution".

    (N, C, H, W), (O, C, kh, kw), (O,) -> (N, O, Ho, Wo) with Ho = ⌊(H + 2p − kh) / s⌋ + 1;
    `stride` and `padding` (zeros) are one number or (vertical, horizontal).
    """
    return Conv2d(stride, padding)(x, w, b)


def batch_norm(
    x: Operand,
    running_mean: Operand | None,
    running_var: Operand | None,
    w: Operand,
    b: Operand,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel, then scale by w and shift by b: (N, C, ...) -> (N, C, ...).

    In training the batch's own statistics are used, and the running ones, where given, are
    updated in place: r ← (1 − momentum) r + momentum s, with s the mean or the *unbiased*
    variance of the batch (but not when a checkpoint computes it a second time). In evaluation
    the running ones are used and must be given.
    """
    if not training:
        expect(
            running_mean is not None and running_var is not None,
            UsageError,
            "batch_norm in evaluation needs running_mean and running_var; got None",
        )
        return BatchNormInference(_array(running_mean), _array(running_var), eps)(x, w, b)
    op = BatchNorm(eps)
    y = op(x, w, b)
    if modes.recomputing:
        return y
    m = y.size // y.shape[1]
    batch = {"running_mean": (op.mean, 1.0), "running_var": (op.var, m / (m - 1))}
    running = {"running_mean": running_mean, "running_var": running_var}
    given = {name: _array(r) for name, r in running.items() if r is not None}
    checks.channels(y.held, **given)  # both, before either is changed
    for name, r in given.items():
        kernels.call(moving_average, r, r, *batch[name], momentum)
    return y


def _array(x: Operand) -> Array:
    """The array of a tensor, or what becomes one."""
    return x.data if isinstance(x, Tensor) else Tensor(x).data


def max_pool2d(
    x: Operand,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
) -> Tensor:
    """The largest value of each window: (N, C, H, W) -> (N, C, Ho, Wo); padding is −∞."""
    return MaxPool2d(kernel_size, stride, padding)(x)


def avg_pool2d(
    x: Operand,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
) -> Tensor:
    """The mean of each window: (N, C, H, W) -> (N, C, Ho, Wo); padding is 0 and counts."""
    return AvgPool2d(kernel_size, stride, padding)(x)


def global_avg_pool2d(x: Operand) -> Tensor:
    """The mean of each map: (N, C, H, W) -> (N, C)."""
    return GlobalAvgPool2d()(x)


def pad(x: Operand, pad: tuple[int, ...], value: float = 0.0) -> Tensor:
    """Constants around the last dimensions, the last one first: (left, right, top, bottom, ...)."""
    x = x if isinstance(x, Tensor) else Tensor(x)
    expect(
        len(pad) % 2 == 0 and len(pad) <= 2 * x.ndim,
        ShapeError,
        f"pad got {pad} for shape {x.shape}; expected two widths a dimension, the last one first",
    )
    pairs = list(zip(pad[::2], pad[1::2], strict=True))
    widths = [(0, 0)] * (x.ndim - len(pairs)) + pairs[::-1]
    return Pad(tuple(widths), value)(x)


def log_softmax(x: Operand, dim: int = -1) -> Tensor:
    """x − ln Σ eˣ along `dim`."""
    return LogSoftmax(dim)(x)


def cross_entropy(x: Operand, target: Operand, *, label_smoothing: float = 0.0) -> Tensor:
    """The mean cross-entropy of logits (N, C) and integer labels (N,): a single number."""
    x = x if isinstance(x, Tensor) else Tensor(x)
    if isinstance(target, Tensor):
        labels = target.data
    else:
        labels = placed(target) if is_array(target) else array_module(x.data).asarray(target)
    return CrossEntropy(labels, label_smoothing)(x)


def shortcut_a(x: Operand, channels: int, stride: int) -> Tensor:
    """Option A: every `stride`-th pixel, and zero channels, half of them on each side.

    (N, C, H, W) -> (N, channels, ⌈H / stride⌉, ⌈W / stride⌉), without a parameter
    (He et al. 2015, section 3.3).
    """
    x = x if isinstance(x, Tensor) else Tensor(x)
    stride, _ = pair(stride, "stride", at_least=1)
    expect(
        x.ndim == 4 and channels >= x.shape[1],
        ShapeError,
        f"shortcut_a got shape {x.shape} for {channels} channels; it can only add channels",
    )
    y = x[:, :, ::stride, ::stride] if stride > 1 else x
    missing = channels - x.shape[1]
    return pad(y, (0, 0, 0, 0, missing // 2, missing - missing // 2)) if missing else y
