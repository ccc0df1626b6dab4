"""Layers: the operations together with their parameters."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from .. import functional as F
from ..autograd import Tensor
from ..autograd.checkpoint import checkpoint
from ..backend import Array
from ..errors import UsageError, expect
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
    """Batch norm over (N, H, W) with running statistics, as PyTorch keeps them."""

    def __init__(self, channels: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        self.weight = Parameter(np.ones(channels, np.float32))
        self.bias = Parameter(np.zeros(channels, np.float32))
        self.running_mean = Tensor(np.zeros(channels, np.float32))
        self.running_var = Tensor(np.ones(channels, np.float32))
        self.eps = eps
        self.momentum = momentum

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            self.momentum,
            self.eps,
        )


class Identity(Module):
    """x itself; whatever it is made with does not matter, so that it can stand in for any layer."""

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
    """The mean of each map: (N, C, H, W) -> (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.global_avg_pool2d(x)


class Sequential(Module):
    """Modules one after the other, named "0", "1", ...

    Args:
        modules: what is done, in this order.
        checkpoint_every: keep for backward what goes into every so many modules alone, and
            compute the rest again; see `minires.checkpoint`. None keeps all.

    Raises:
        UsageError: something that is no Module, or a `checkpoint_every` under 1.
    """

    def __init__(self, *modules: Module, checkpoint_every: int | None = None) -> None:
        expect(
            checkpoint_every is None or checkpoint_every >= 1,
            UsageError,
            f"checkpoint_every must be at least 1, got {checkpoint_every}",
        )
        self.checkpoint_every = checkpoint_every
        for i, module in enumerate(modules):
            expect(
                isinstance(module, Module),
                UsageError,
                f"Sequential takes modules, got {module!r} at place {i}",
            )
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
            return _through(modules, x)
        for start in range(0, len(modules), every):
            x = checkpoint(partial(_through, modules[start : start + every]), x)
        return x


def _through(modules: list[Module], x: Tensor) -> Tensor:
    for module in modules:
        x = module(x)
    return x
