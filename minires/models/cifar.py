"""The plain and residual models for small images (He et al. 2015, section 4.2)."""

from functools import partial
from typing import Any

from .. import functional as F
from ..autograd import Tensor
from ..nn import BatchNorm2d, Conv2d, Linear, Module, he_normal
from ..nn.layers import Init
from .blocks import BasicBlock, Norm, Shortcut, blocks_a_stage, norm_layer, stage


class CifarNet(Module):
    """A 3x3 stem, three stages of n blocks on 16, 32 and 64 channels, and one linear layer.

    (N, in_channels, H, W) -> logits (N, num_classes); feature maps halve at stages 2 and 3.
    6n + 2 layers with weights, depth = 20, 32, 44, 56, 110, 1202, ... Parameters are named
    as torchvision names them: `conv1.weight`, `layer1.0.bn2.bias`, `fc.weight`.

    Args:
        depth: the number of layers with weights.
        shortcut: "A", "B" or "C"; None for a plain model.
        num_classes: the number of logits.
        in_channels: the number of channels of the images.
        norm: makes a normalisation layer from a number of channels; `Identity` for none.
        init: draws the weights.
        checkpoint_every: activation checkpointing: keep for backward only what goes into every so
            many blocks of a stage; about the square root of their number needs the least memory.
            See `Sequential`.

    Raises:
        UsageError: the depth is not 6n + 2, or there is no such shortcut.
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
        n = blocks_a_stage(depth, 6)
        block = partial(BasicBlock, shortcut=shortcut, norm=norm, init=init)
        self.conv1 = Conv2d(in_channels, 16, 3, padding=1, bias=False, init=init)
        self.bn1 = norm_layer(norm, 16)
        self.layer1 = stage(block, n, 16, 16, 1, checkpoint_every)
        self.layer2 = stage(block, n, 16, 32, 2, checkpoint_every)
        self.layer3 = stage(block, n, 32, 64, 2, checkpoint_every)
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


def cifar_plain(depth: int, num_classes: int = 10, in_channels: int = 3, **how: Any) -> CifarNet:
    """Return the plain model of `depth` = 6n + 2 layers; `how` as for `CifarNet`."""
    return CifarNet(depth, None, num_classes, in_channels, **how)


def cifar_resnet(
    depth: int, shortcut: Shortcut = "A", num_classes: int = 10, in_channels: int = 3, **how: Any
) -> CifarNet:
    """Return the residual model of `depth` = 6n + 2 layers, with shortcuts of option A, B or C;
    `how` as for `CifarNet`."""
    return CifarNet(depth, shortcut, num_classes, in_channels, **how)
