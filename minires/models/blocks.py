"""The blocks of the models, plain or with a shortcut (He et al. 2015, figures 2 and 5)."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from .. import functional as F
from ..arguments import function, integer, is_integer, is_one_of, shown
from ..autograd import Tensor
from ..errors import UsageError
from ..nn import BatchNorm2d, Conv2d, Module, Sequential, he_normal
from ..nn.layers import Init

Shortcut = Literal["A", "B", "C"]
Norm: TypeAlias = Callable[[int], Module]


class Layer(NamedTuple):
    """A convolution in a block: its output channels, the size of its kernel, its stride."""

    channels: int
    kernel: int
    stride: int


class Block(Module):
    """y = relu(F(x) + shortcut(x)), F = conv, bn, relu, ..., conv, bn; plain: relu(F(x)).

    (N, in_channels, H, W) -> (N, channels, H / stride, W / stride), with the channels of the
    last layer and the strides of all. The shortcut is the identity wherever the shapes match,
    except that C always projects. Where they do not:

        A  every stride-th pixel and zero channels: no parameters
        B  a projection, 1x1 convolution and batch norm, in `downsample`
        C  the same

    Layers are called conv1, bn1, conv2, ... as torchvision calls them.

    Args:
        in_channels: the number of channels of x.
        layers: the convolutions of F.
        shortcut: "A", "B", "C", or None for a plain block.
        norm: makes a normalisation layer from a number of channels; `Identity` for none.
        init: draws the weights of the convolutions.

    Raises:
        UsageError: there is no such shortcut.
    """

    def __init__(
        self,
        in_channels: int,
        layers: list[Layer],
        shortcut: Shortcut | None,
        norm: Norm = BatchNorm2d,
        init: Init = he_normal,
    ) -> None:
        expect_shortcut(shortcut)
        self.layers: list[tuple[Conv2d, Module]] = []
        before, self.stride = in_channels, 1
        for number, (channels, kernel, stride) in enumerate(layers, start=1):
            conv = Conv2d(
                before, channels, kernel, stride, padding=kernel // 2, bias=False, init=init
            )
            bn = norm_layer(norm, channels)
            setattr(self, f"conv{number}", conv)
            setattr(self, f"bn{number}", bn)
            self.layers.append((conv, bn))
            before, self.stride = channels, self.stride * stride
        self.channels = before
        self.shape_changes = self.stride != 1 or in_channels != self.channels
        if shortcut == "C" or (shortcut == "B" and self.shape_changes):
            self.downsample = Sequential(
                Conv2d(in_channels, self.channels, 1, self.stride, bias=False, init=init),
                norm_layer(norm, self.channels),
            )
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = self.branch(x)
        if self.shortcut is not None:
            y = y + self.identity(x)
        return F.relu(y)

    def branch(self, x: Tensor) -> Tensor:
        """Return F(x)."""
        y = x
        for conv, bn in self.layers[:-1]:
            y = conv(y)
            y = bn(y)
            y = F.relu(y)
        conv, bn = self.layers[-1]
        y = conv(y)
        return bn(y)

    def identity(self, x: Tensor) -> Tensor:
        """Return x in the shape of F(x)."""
        if hasattr(self, "downsample"):
            return self.downsample(x)
        return F.shortcut_a(x, self.channels, self.stride)


class BasicBlock(Block):
    """Two 3x3 layers (figure 5, left); the first has the stride."""

    expansion = 1

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int,
        shortcut: Shortcut | None,
        norm: Norm = BatchNorm2d,
        init: Init = he_normal,
    ) -> None:
        layers = [Layer(channels, 3, stride), Layer(channels, 3, 1)]
        super().__init__(in_channels, layers, shortcut, norm, init)


class Bottleneck(Block):
    """1x1 down to `channels`, 3x3, and 1x1 up to 4 times as many (figure 5, right).

    The stride is in the 3x3 layer, as torchvision has it ("v1.5"), or in the first 1x1 layer, as
    the paper has it ("v1"); their weights have the same shapes.

    Raises:
        UsageError: `stride_in` is neither "3x3" nor "1x1".
    """

    expansion = 4

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int,
        shortcut: Shortcut | None,
        norm: Norm = BatchNorm2d,
        init: Init = he_normal,
        stride_in: str = "3x3",
    ) -> None:
        expect_stride_in(stride_in)
        channels = integer(channels, "channels", at_least=1)
        first, second = (1, stride) if stride_in == "3x3" else (stride, 1)
        layers = [
            Layer(channels, 1, first),
            Layer(channels, 3, second),
            Layer(self.expansion * channels, 1, 1),
        ]
        super().__init__(in_channels, layers, shortcut, norm, init)


def norm_layer(norm: Norm, channels: int) -> Module:
    """Return `norm(channels)`.

    Raises:
        UsageError: `norm` is no function, or returns no module.
    """
    layer = function(norm, "norm")(channels)
    if not isinstance(layer, Module):
        raise UsageError(f"norm must return a module, got {shown(layer)}")
    return layer


def expect_shortcut(shortcut: Any) -> None:
    """Raise UsageError unless `shortcut` is one of the paper's options, or None."""
    if shortcut is not None and not is_one_of(shortcut, get_args(Shortcut)):
        raise UsageError(f"shortcut must be A, B, C or None, got {shown(shortcut)}")


def expect_stride_in(stride_in: str) -> None:
    """Raise UsageError where `stride_in` names no convolution of a bottleneck."""
    if not is_one_of(stride_in, ("3x3", "1x1")):
        raise UsageError(
            f"stride_in must be 3x3 (torchvision) or 1x1 (the paper), got {shown(stride_in)}"
        )


def blocks_a_stage(depth: int, period: int) -> int:
    """Return n, where a model of three stages of n blocks has `period` n + 2 = `depth` layers.

    Raises:
        UsageError: `depth` is not of that form.
    """
    n, rest = divmod(depth - 2, period) if is_integer(depth) else (0, 0)
    if n < 1 or rest != 0:
        depths = ", ".join(str(period * n + 2) for n in (1, 2, 3, 4, 5, 9, 18))
        raise UsageError(f"depth must be {period}n + 2 ({depths}, ...), got {shown(depth)}")
    return n


def stage(
    block: Callable[[int, int, int], Module],
    n: int,
    in_channels: int,
    channels: int,
    stride: int,
    checkpoint_every: int | None,
    expansion: int = 1,
) -> Sequential:
    """Return n blocks, the first of which changes the channels and has the stride.

    Args:
        block: makes a block from its input channels, its inner channels and its stride.
        n, in_channels, channels, stride: how many, and what the first is made from.
        checkpoint_every: see `Sequential`.
        expansion: a block has so many times `channels` output channels.
    """
    first = block(in_channels, channels, stride)
    others = (block(expansion * channels, channels, 1) for _ in range(n - 1))
    return Sequential(first, *others, checkpoint_every=checkpoint_every)
