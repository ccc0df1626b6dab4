"""Layers: modules that apply one operation with its parameters, and Sequential."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from .. import functional as F
from .. import ops
from ..arguments import Pair, flag, function, integer, pair, real, shown
from ..autograd import Tensor
from ..autograd.checkpoint import checkpoint
from ..backend import Array
from ..deprecated import old_parameters
from ..errors import RangeError, UsageError
from ..ops.batchnorm import Total
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
    ) -> None:
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
    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
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
        return F.batch_norm(*given, *how, self.total)


class Identity(Module):
    """x itself. Any arguments are accepted and ignored, so that it can replace any layer."""

    def __init__(self, *settings: object) -> None:
        pass

    def forward(self, x: Tensor) -> Tensor:
        return x


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x)


class MaxPool2d(Module):
    """The largest value of each window."""

    def __init__(
        self, kernel_size: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0
    ) -> None:
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


class Sequential(Module):
    """Modules one after the other, named "0", "1", ...

    Args:
        modules: applied in this order.
        checkpoint_every: keep only the input of every so many modules for backward, and compute
            the rest again; see `minires.checkpoint`. None keeps everything.

    Raises:
        UsageError: an argument is no Module, or `checkpoint_every` is below 1.
    """

    def __init__(self, *modules: Module, checkpoint_every: int | None = None) -> None:
        if checkpoint_every is not None:
            checkpoint_every = integer(checkpoint_every, "checkpoint_every", at_least=1)
        self.checkpoint_every = checkpoint_every
        for i, module in enumerate(modules):
            if not isinstance(module, Module):
                raise UsageError(f"Sequential takes modules, got {shown(module)} at index {i}")
            setattr(self, str(i), module)

    def __iter__(self) -> Iterator[Module]:
        return (m for m in vars(self).values() if isinstance(m, Module))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, i: int) -> Module:
        try:
            return list(self)[i]
        except (IndexError, TypeError):
            raise RangeError(f"{len(self)} modules have no index {shown(i)}") from None

    def forward(self, x: Tensor) -> Tensor:
        modules, every = list(self), self.checkpoint_every
        if every is None:
            return _apply(modules, x)
        for start in range(0, len(modules), every):
            x = checkpoint(partial(_apply, modules[start : start + every]), x)
        return x


def _apply(modules: list[Module], x: Tensor) -> Tensor:
    for module in modules:
        x = module(x)
    return x
