"""The plain and residual nets for small images (He et al. 2015, section 4.2)."""

import re
from typing import Any

from .. import functional as F
from ..autograd import Tensor
from ..errors import UsageError, expect
from ..nn import BatchNorm2d, Conv2d, Linear, Module, Sequential, he_normal
from ..nn.layers import Init
from .blocks import BasicBlock, Norm, Shortcut
from .preact import PreactNet


class CifarNet(Module):
    """A 3x3 stem, three stages of n blocks on 16, 32 and 64 channels, and one linear layer.

    (N, in_channels, H, W) -> logits (N, num_classes); the maps halve at stages 2 and 3.
    6n + 2 layers with weights, depth = 20, 32, 44, 56, 110, 1202, ... Parameters are named
    as torchvision names them: `conv1.weight`, `layer1.0.bn2.bias`, `fc.weight`.

    Args:
        depth: layers with weights.
        shortcut: "A", "B" or "C"; None for a plain net.
        num_classes: logits.
        in_channels: of the images.
        norm: makes the normalisation of so many channels; `Identity` for none.
        init: draws the weights.
        checkpoint_every: keep for backward what goes into every so many blocks of a stage alone;
            about the square root of their number needs the least memory. See `Sequential`.

    Raises:
        UsageError: a depth that is not 6n + 2, or a shortcut that does not exist.
    """

    def __init__(
        self,
        depth: int,
        shortcut: Shortcut | None,
        num_classes: int = 10,
        in_channels: int = 3,
        norm: Norm = BatchNorm2d,
        init: Init = he_normal,
        checkpoint_every: int | None = None,
    ) -> None:
        n, rest = divmod(depth - 2, 6)
        expect(
            n >= 1 and rest == 0,
            UsageError,
            f"depth must be 6n + 2 (8, 14, 20, 26, 32, 44, 56, 110, ...), got {depth}",
        )
        self.conv1 = Conv2d(in_channels, 16, 3, padding=1, bias=False, init=init)
        self.bn1 = norm(16)
        self.layer1 = stage(n, 16, 16, 1, shortcut, norm, init, checkpoint_every)
        self.layer2 = stage(n, 16, 32, 2, shortcut, norm, init, checkpoint_every)
        self.layer3 = stage(n, 32, 64, 2, shortcut, norm, init, checkpoint_every)
        self.fc = Linear(64, num_classes, init=init)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)  # (N, C, H, W) -> (N, 16, H, W)
        x = self.bn1(x)
        x = F.relu(x)
        x = self.layer1(x)
        x = self.layer2(x)  # -> (N, 32, H/2, W/2)
        x = self.layer3(x)  # -> (N, 64, H/4, W/4)
        x = F.global_avg_pool2d(x)  # -> (N, 64)
        return self.fc(x)


def stage(
    n: int,
    in_channels: int,
    channels: int,
    stride: int,
    shortcut: Shortcut | None,
    norm: Norm = BatchNorm2d,
    init: Init = he_normal,
    checkpoint_every: int | None = None,
) -> Sequential:
    """n blocks, the first of which changes the channels and takes the stride."""
    first = BasicBlock(in_channels, channels, stride, shortcut, norm, init)
    others = (BasicBlock(channels, channels, 1, shortcut, norm, init) for _ in range(n - 1))
    return Sequential(first, *others, checkpoint_every=checkpoint_every)


def cifar_plain(depth: int, num_classes: int = 10, in_channels: int = 3, **how: Any) -> CifarNet:
    """The plain net of `depth` = 6n + 2 layers; `how` as for `CifarNet`."""
    return CifarNet(depth, None, num_classes, in_channels, **how)


def cifar_resnet(
    depth: int, shortcut: Shortcut = "A", num_classes: int = 10, in_channels: int = 3, **how: Any
) -> CifarNet:
    """The residual net of `depth` = 6n + 2 layers, with shortcuts of option A, B or C; `how`
    as for `CifarNet`."""
    return CifarNet(depth, shortcut, num_classes, in_channels, **how)


def parse_name(name: str) -> tuple[str, int]:
    """("plain", "resnet" or "preact", depth) of a name such as plain20 or resnet110.

    Raises:
        UsageError: not such a name, or a depth that there is not.
    """
    match = re.fullmatch(r"(plain|resnet|preact)([1-9][0-9]{0,5})", name)
    period, least = (9, 11) if name.startswith("preact") else (6, 8)
    expect(
        match is not None and int(match[2]) >= least and int(match[2]) % period == 2,
        UsageError,
        f"there is no net {name!r}; expected plain or resnet and a depth of 6n + 2: plain20, "
        "plain56, resnet20, resnet32, resnet44, resnet56, resnet110, resnet1202, ..., or preact "
        "and a depth of 9n + 2: preact164, preact1001, ...",
    )
    assert match is not None
    return match[1], int(match[2])


def cifar_net(
    name: str,
    num_classes: int = 10,
    in_channels: int = 3,
    shortcut: Shortcut = "A",
    **how: Any,
) -> CifarNet | PreactNet:
    """The net of a name such as plain20, resnet110 or preact164, as in its paper: residual nets
    with shortcuts of option A. `how` as for `CifarNet`."""
    kind, depth = parse_name(name)
    if kind == "preact":
        return PreactNet(depth, num_classes, in_channels, **how)
    option = None if kind == "plain" else shortcut
    return CifarNet(depth, option, num_classes, in_channels, **how)
