"""Pre-activation models: batch norm and ReLU before each convolution (He et al. 2016, 1603.05027).

No operation is left on the shortcut: from the last block of a stage to its first, the gradient
along the shortcuts stays as it is (section 2, equation 5).
"""

from functools import partial

from .. import functional as F
from ..autograd import Tensor
from ..nn import BatchNorm2d, Conv2d, Linear, Module, he_normal
from ..nn.layers import Init
from .blocks import Norm, blocks_a_stage, norm_layer, stage

EXPANSION = 4


class PreactBottleneck(Module):
    """y = F(a) + shortcut, a = relu(bn(x)), F = conv 1x1, (bn, relu, conv) 3x3, the same 1x1.

    (N, in_channels, H, W) -> (N, 4 channels, H / stride, W / stride). The shortcut is x; where
    the shape changes, a 1x1 convolution of a, without batch norm, in `downsample` (figure 4e).
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int,
        norm: Norm = BatchNorm2d,
        init: Init = he_normal,
    ) -> None:
        after = EXPANSION * channels
        self.bn1 = norm_layer(norm, in_channels)
        self.conv1 = Conv2d(in_channels, channels, 1, bias=False, init=init)
        self.bn2 = norm_layer(norm, channels)
        self.conv2 = Conv2d(channels, channels, 3, stride, padding=1, bias=False, init=init)
        self.bn3 = norm_layer(norm, channels)
        self.conv3 = Conv2d(channels, after, 1, bias=False, init=init)
        if stride != 1 or in_channels != after:
            self.downsample = Conv2d(in_channels, after, 1, stride, bias=False, init=init)

    def forward(self, x: Tensor) -> Tensor:
        a = self.bn1(x)
        a = F.relu(a)
        y = self.conv1(a)
        y = self.bn2(y)
        y = F.relu(y)
        y = self.conv2(y)
        y = self.bn3(y)
        y = F.relu(y)
        y = self.conv3(y)
        return y + (self.downsample(a) if hasattr(self, "downsample") else x)


class PreactNet(Module):
    """A 3x3 stem, three stages of n bottlenecks on 64, 128 and 256 channels, one linear layer.

    (N, in_channels, H, W) -> logits (N, num_classes). 9n + 2 layers with weights, depth = 11, 20,
    29, ..., 164, ..., 1001, the last two being the paper's (table 4).

    Args:
        depth: the number of layers with weights.
        num_classes: the number of logits.
        in_channels: the number of channels of the images.
        norm, init, checkpoint_every: as for `CifarNet`.

    Raises:
        UsageError: the depth is not 9n + 2.
    """

    def __init__(
        self,
        depth: int,
        num_classes: int = 10,
        in_channels: int = 3,
        norm: Norm = BatchNorm2d,
        init: Init = he_normal,
        checkpoint_every: int | None = None,
    ) -> None:
        n = blocks_a_stage(depth, 9)
        block = partial(PreactBottleneck, norm=norm, init=init)
        self.conv1 = Conv2d(in_channels, 16, 3, padding=1, bias=False, init=init)
        self.layer1 = stage(block, n, 16, 16, 1, checkpoint_every, EXPANSION)
        self.layer2 = stage(block, n, 64, 32, 2, checkpoint_every, EXPANSION)
        self.layer3 = stage(block, n, 128, 64, 2, checkpoint_every, EXPANSION)
        self.bn = norm_layer(norm, 256)
        self.fc = Linear(256, num_classes, init=init)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)  # (N, C, H, W) -> (N, 16, H, W)
        x = self.layer1(x)  # -> (N, 64, H, W)
        x = self.layer2(x)  # -> (N, 128, H/2, W/2)
        x = self.layer3(x)  # -> (N, 256, H/4, W/4)
        x = self.bn(x)
        x = F.relu(x)
        x = F.global_avg_pool2d(x)  # -> (N, 256)
        return self.fc(x)
