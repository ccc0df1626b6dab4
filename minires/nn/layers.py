"""Layers: modules that apply one operation with its parameters."""

from collections.abc import Callable

import numpy as np

from .. import functional as F
from .. import ops
from ..arguments import Pair, flag, function, integer, pair, real
from ..autograd import Operand, Tensor
from ..backend import Array
from ..deprecated import old_parameters
from ..ops.batchnorm import Total
from ..pytorch import expect_only
from .init import by_column, drawn, he_normal
from .module import Module, Parameter

Init = Callable[[tuple[int, ...]], Array]


class Conv2d(Module):
    """Convolution with weights (O, C, kh, kw) and, if `bias`, one bias an output channel."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        bias: bool = True,
        init: Init = he_normal,
        *,
        dilation: int = 1,
        groups: int = 1,
        padding_mode: str = "zeros",
    ) -> None:
        expect_only(dilation=dilation, groups=groups, padding_mode=padding_mode)
        out_channels = integer(out_channels, "out_channels", at_least=1)
        in_channels = integer(in_channels, "in_channels", at_least=1)
        kernel = pair(kernel_size, "kernel_size", at_least=1)
        self.weight = Parameter(by_column(drawn(init, (out_channels, in_channels, *kernel))))
        has_bias = flag(bias, "bias")
        self.bias = Parameter(np.zeros(out_channels, np.float32)) if has_bias else None
        ops.Conv2d(stride, padding)  # raises here what every forward would
        self.stride = stride
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding)


class Linear(Module):
    """x wᵀ + b with weights (O, I)."""

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, init: Init = he_normal
    ) -> None:
        out_features = integer(out_features, "out_features", at_least=0)
        in_features = integer(in_features, "in_features", at_least=1)
        self.weight = Parameter(drawn(init, (out_features, in_features)))
        has_bias = flag(bias, "bias")
        self.bias = Parameter(np.zeros(out_features, np.float32)) if has_bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class BatchNorm2d(Module):
    """Batch norm over (N, H, W) of `num_features` channels, with PyTorch's running statistics."""

    @old_parameters(channels="num_features")
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        expect_only(affine=affine, track_running_stats=track_running_stats)
        num_features = integer(num_features, "num_features", at_least=1)
        self.weight = Parameter(np.ones(num_features, np.float32))
        self.bias = Parameter(np.zeros(num_features, np.float32))
        self.running_mean = Tensor(np.zeros(num_features, np.float32))
        self.running_var = Tensor(np.ones(num_features, np.float32))
        self.eps = real(eps, "eps", at_least=0)
        self.momentum = real(momentum, "momentum", 0, 1)

    def forward(self, x: Tensor) -> Tensor:
        running = self.running_mean, self.running_var
        return F.batch_norm(
            x, *running, self.weight, self.bias, self.training, self.momentum, self.eps
        )


class SyncBatchNorm2d(BatchNorm2d):
    """Batch norm over the images of all ranks, of which this process has some.

    Args:
        total: returns the sum of an array over all ranks, as `minires.parallel.Ranks.total` does.
        num_features, eps, momentum: as for `BatchNorm2d`.
    """

    def __init__(
        self, num_features: int, total: Total, eps: float = 1e-5, momentum: float = 0.1
    ) -> None:
        super().__init__(num_features, eps, momentum)
        self.total = function(total, "total")

    def forward(self, x: Tensor) -> Tensor:
        given = (x, self.running_mean, self.running_var, self.weight, self.bias)
        how = (self.training, self.momentum, self.eps)
        return F.batch_norm(*given, *how, total=self.total)


class Identity(Module):
    """x itself. Any arguments are accepted and ignored, so that it can replace any layer."""

    def __init__(self, *settings: object) -> None:
        pass

    def forward(self, x: Tensor) -> Tensor:
        return x


class ReLU(Module):
    """max(x, 0). No tensor is changed: `inplace` is taken, and does nothing."""

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = flag(inplace, "inplace")

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x)


class MaxPool2d(Module):
    """The largest value of each window."""

    def __init__(
        self,
        kernel_size: int | Pair,
        stride: int | Pair | None = None,
        padding: int | Pair = 0,
        dilation: int = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        expect_only(dilation=dilation, return_indices=return_indices, ceil_mode=ceil_mode)
        ops.MaxPool2d(kernel_size, stride, padding)  # raises here what every forward would
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding)


class GlobalAvgPool2d(Module):
    """The mean of each feature map: (N, C, H, W) -> (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.global_avg_pool2d(x)


class AdaptiveAvgPool2d(Module):
    """The mean of each feature map, as one pixel: (N, C, H, W) -> (N, C, 1, 1).

    `output_size` can only be 1; `GlobalAvgPool2d` leaves the sizes of 1 out.
    """

    def __init__(self, output_size: int | Pair) -> None:
        expect_only(output_size=output_size)
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(x, self.output_size)


class Flatten(Module):
    """The dimensions from `start_dim` on as one: (N, C, H, W) -> (N, C H W)."""

    def __init__(self, start_dim: int = 1) -> None:
        self.start_dim = integer(start_dim, "start_dim")

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(self.start_dim)


class Dropout(Module):
    """Each element is 0 with probability p in training, and as it is in evaluation.

    The paper's nets have none: batch norm makes it needless (He et al. 2015, section 3.4). No
    tensor is changed: `inplace` does nothing.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        self.p = real(p, "p", 0, 1)
        self.inplace = flag(inplace, "inplace")

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.p, self.training)


class CrossEntropyLoss(Module):
    """The cross-entropy of logits (N, C) and labels (N,); arguments as for `F.cross_entropy`."""

    def __init__(
        self,
        weight: Operand = None,
        *,
        ignore_index: int | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        self.weight = None if weight is None else Tensor(weight)
        self.ignore_index = ignore_index
        self.reduction = reduction
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Operand) -> Tensor:
        return F.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )
