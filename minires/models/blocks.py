"""The two-layer building block, plain or with a shortcut (He et al. 2015, figure 2)."""

from collections.abc import Callable
from typing import Literal, TypeAlias, get_args

from .. import functional as F
from ..engine import Tensor
from ..errors import UsageError, expect
from ..nn import BatchNorm2d, Conv2d, Module, Sequential, he_normal
from ..nn.layers import Init

Shortcut = Literal["A", "B", "C"]
Norm: TypeAlias = Callable[[int], Module]


class BasicBlock(Module):
    """y = relu(F(x) + shortcut(x)), F = conv, bn, relu, conv, bn; without a shortcut, relu(F(x)).

    (N, in_channels, H, W) -> (N, channels, H / stride, W / stride). The shortcut is the
    identity wherever the shapes match, except that C always projects. Where they do not:

        A  every stride-th pixel and zero channels: no parameters
        B  a projection, 1x1 convolution and batch norm, in `downsample`
        C  the same

    Args:
        in_channels: channels of x.
        channels: channels of y.
        stride: of the first convolution.
        shortcut: "A", "B", "C", or None for a plain block.
        norm: makes the normalisation of so many channels; `Identity` for none.
        init: draws the weights of the convolutions.

    Raises:
        UsageError: a shortcut that does not exist.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int,
        shortcut: Shortcut | None,
        norm: Norm = BatchNorm2d,
        init: Init = he_normal,
    ) -> None:
        expect(
            shortcut is None or shortcut in get_args(Shortcut),
            UsageError,
            f"shortcut must be A, B, C or None, got {shortcut!r}",
        )
        self.conv1 = Conv2d(in_channels, channels, 3, stride, padding=1, bias=False, init=init)
        self.bn1 = norm(channels)
        self.conv2 = Conv2d(channels, channels, 3, padding=1, bias=False, init=init)
        self.bn2 = norm(channels)
        shape_changes = stride != 1 or in_channels != channels
        if shortcut == "C" or (shortcut == "B" and shape_changes):
            self.downsample = Sequential(
                Conv2d(in_channels, channels, 1, stride, bias=False, init=init), norm(channels)
            )
        self.shortcut = shortcut
        self.channels = channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(x)
        y = self.bn1(y)
        y = F.relu(y)
        y = self.conv2(y)
        y = self.bn2(y)
        if self.shortcut is not None:
            y = y + self.identity(x)
        return F.relu(y)

    def identity(self, x: Tensor) -> Tensor:
        """x in the shape of F(x)."""
        if hasattr(self, "downsample"):
            return self.downsample(x)
        return F.shortcut_a(x, self.channels, self.stride)
