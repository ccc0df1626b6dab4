"""Layers: modules that apply one operation with its parameters, and Sequential."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from .. import functional as F
from ..autograd import Tensor
from ..autograd.checkpoint import checkpoint
from ..backend import Array
from ..deprecated import old_parameters
from ..errors import UsageError
from ..ops.checks import Pair, pair
from .init import by_column, he_normal
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
        kernel = pair(kernel_size, "kernel_size", at_least=1)
        self.weight = Parameter(by_column(init((out_channels, in_channels, *kernel))))
        self.bias = Parameter(np.zeros(out_channels, np.float32)) if bias else None
        self.stride = stride
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding)


class Linear(Module):
    """x wᵀ + b with weights (O, I)."""

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, init: Init = he_normal
    ) -> None:
        self.weight = Parameter(init((out_features, in_features)))
        self.bias = Parameter(np.zeros(out_features, np.float32)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class BatchNorm2d(Module):
    """Batch norm over (N, H, W) of `num_features` channels, with PyTorch's running statistics."""

    @old_parameters(channels="num_features")
    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        self.weight = Parameter(np.ones(num_features, np.float32))
        self.bias = Parameter(np.zeros(num_features, np.float32))
        self.running_mean = Tensor(np.zeros(num_features, np.float32))
        self.running_var = Tensor(np.ones(num_features, np.float32))
        self.eps = eps
        self.momentum = momentum

    def forward(self, x: Tensor) -> Tensor:
        running = self.running_mean, self.running_var
        return F.batch_norm(
            x, *running, self.weight, self.bias, self.training, self.momentum, self.eps
        )


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
        if checkpoint_every is not None and checkpoint_every < 1:
            raise UsageError(f"checkpoint_every must be at least 1, got {checkpoint_every}")
        self.checkpoint_every = checkpoint_every
        for i, module in enumerate(modules):
            if not isinstance(module, Module):
                raise UsageError(f"Sequential takes modules, got {module!r} at index {i}")
            setattr(self, str(i), module)

    def __iter__(self) -> Iterator[Module]:
        return (m for m in vars(self).values() if isinstance(m, Module))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, i: int) -> Module:
        return list(self)[i]

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
