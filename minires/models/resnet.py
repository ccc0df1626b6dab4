"""ResNet, the model for large images: 18 to 152 layers (He et al. 2015, table 1)."""

from functools import partial
from typing import Any

from .. import functional as F
from ..arguments import is_integer, shown
from ..autograd import Tensor
from ..errors import UsageError
from ..nn import (
    BatchNorm2d,
    Conv2d,
    GlobalAvgPool2d,
    Linear,
    MaxPool2d,
    Module,
    Sequential,
    he_normal,
)
from ..nn.layers import Init
from .blocks import BasicBlock, Bottleneck, Norm, Shortcut, expect_stride_in, norm_layer

# Of each depth: its block, and how many of them each stage has.
DEPTHS: dict[int, tuple[type[BasicBlock | Bottleneck], tuple[int, int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}


class ResNet(Module):
    """A 7x7 stem and a max pool, four stages of blocks, global average pooling, a linear layer.

    (N, 3, H, W) -> logits (N, num_classes); for 224x224 images the feature maps are 112, 56, 28,
    14 and 7 pixels wide. Stages 2 to 4 (conv3_x to conv5_x) begin with stride 2. Parameters have
    torchvision's names: `conv1.weight`, `layer1.0.bn2.bias`, `layer2.0.downsample.0.weight`,
    `fc.weight`.

    Args:
        depth: 18, 34, 50, 101 or 152.
        shortcut: "A", "B" (torchvision's) or "C"; None for a plain model.
        num_classes: how many logits there are for an image.
        stride_in: which layer of a bottleneck has the stride: "3x3" (torchvision), "1x1" (paper).
        norm, init: see `Block`.

    Raises:
        UsageError: `depth`, `shortcut` or `stride_in` is none of these.
    """

    def __init__(
        self,
        depth: int,
        shortcut: Shortcut | None = "B",
        num_classes: int = 1000,
        stride_in: str = "3x3",
        norm: Norm = BatchNorm2d,
        init: Init = he_normal,
    ) -> None:
        if not (is_integer(depth) and depth in DEPTHS):
            known = ", ".join(map(str, DEPTHS))
            raise UsageError(f"depth must be one of {known}, got {shown(depth)}")
        expect_stride_in(stride_in)
        kind, counts = DEPTHS[depth]
        block = partial(Bottleneck, stride_in=stride_in) if kind is Bottleneck else kind
        self.conv1 = Conv2d(3, 64, 7, stride=2, padding=3, bias=False, init=init)
        self.bn1 = norm_layer(norm, 64)
        self.maxpool = MaxPool2d(3, stride=2, padding=1)
        before = 64
        for stage, count in enumerate(counts):
            channels = 64 * 2**stage
            blocks = []
            for i in range(count):
                stride = 2 if stage > 0 and i == 0 else 1
                blocks.append(block(before, channels, stride, shortcut, norm, init))
                before = channels * kind.expansion
            setattr(self, f"layer{stage + 1}", Sequential(*blocks))
        self.avgpool = GlobalAvgPool2d()
        self.fc = Linear(before, num_classes, init=init)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x))

    def features(self, x: Tensor) -> Tensor:
        """Return the input of the last layer: (N, 3, H, W) -> (N, 512) or (N, 2048)."""
        return self.avgpool(self.maps(x))

    def maps(self, x: Tensor) -> Tensor:
        """Return the last stage's feature maps: (N, 3, H, W) -> (N, 512 or 2048, H/32, W/32)."""
        x = self.conv1(x)  # (N, 3, H, W) -> (N, 64, H/2, W/2)
        x = self.bn1(x)
        x = F.relu(x)
        x = self.maxpool(x)  # -> (N, 64, H/4, W/4)
        for stage in self.stages:
            x = stage(x)
        return x

    @property
    def stages(self) -> list[Module]:
        """layer1 to layer4: conv2_x to conv5_x in table 1 of the paper."""
        return [getattr(self, f"layer{i}") for i in range(1, 5)]


def resnet18(num_classes: int = 1000, **how: Any) -> ResNet:
    """Return 18 layers in basic blocks; `how` as for `ResNet`."""
    return ResNet(18, num_classes=num_classes, **how)


def resnet34(num_classes: int = 1000, **how: Any) -> ResNet:
    """Return 34 layers in basic blocks; `how` as for `ResNet`."""
    return ResNet(34, num_classes=num_classes, **how)


def resnet50(num_classes: int = 1000, stride_in: str = "3x3", **how: Any) -> ResNet:
    """Return 50 layers in bottlenecks; `how` as for `ResNet`."""
    return ResNet(50, num_classes=num_classes, stride_in=stride_in, **how)


def resnet101(num_classes: int = 1000, stride_in: str = "3x3", **how: Any) -> ResNet:
    """Return 101 layers in bottlenecks; `how` as for `ResNet`."""
    return ResNet(101, num_classes=num_classes, stride_in=stride_in, **how)


def resnet152(num_classes: int = 1000, stride_in: str = "3x3", **how: Any) -> ResNet:
    """Return 152 layers in bottlenecks; `how` as for `ResNet`."""
    return ResNet(152, num_classes=num_classes, stride_in=stride_in, **how)


def plain18(num_classes: int = 1000, **how: Any) -> ResNet:
    """Return resnet18 without its shortcuts."""
    return ResNet(18, None, num_classes, **how)


def plain34(num_classes: int = 1000, **how: Any) -> ResNet:
    """Return resnet34 without its shortcuts."""
    return ResNet(34, None, num_classes, **how)
