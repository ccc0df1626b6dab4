"""The nets, described so that every engine can build them, and their weights and batches."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Layer(NamedTuple):
    """A convolution of a block: its channels out, its kernel's size, its stride."""

    channels: int
    kernel: int
    stride: int


@dataclass(frozen=True)
class Net:
    """A residual net of basic blocks, two 3x3 convolutions each, or of bottlenecks.

    Attributes:
        image: channels, height and width of its images.
        kernel: of the first convolution; 3 for small images, or 7 with stride 2 and a 3x3 max
            pool with stride 2 after it.
        channels: of each stage; from the second stage on the first block has stride 2.
        blocks: in each stage.
        shortcut: "A", zero channels, or "B", a projection, where a block changes the shape.
        classes: how many logits.
        bottleneck: whether a block is 1x1, 3x3 and 1x1, and has four times the stage's channels.
    """

    image: tuple[int, int, int]
    kernel: int
    channels: tuple[int, ...]
    blocks: tuple[int, ...]
    shortcut: str
    classes: int
    bottleneck: bool = False

    def stages(self) -> Iterator[tuple[str, int, list[Layer], int]]:
        """Name of each block, its channels in, its convolutions, and its stride."""
        before = self.channels[0]
        for stage, (channels, blocks) in enumerate(zip(self.channels, self.blocks, strict=True)):
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                layers = self._layers(channels, stride)
                yield f"layer{stage + 1}.{block}", before, layers, stride
                before = layers[-1].channels

    def _layers(self, channels: int, stride: int) -> list[Layer]:
        if self.bottleneck:
            return [Layer(channels, 1, 1), Layer(channels, 3, stride), Layer(4 * channels, 1, 1)]
        return [Layer(channels, 3, stride), Layer(channels, 3, 1)]

    @property
    def features(self) -> int:
        """Channels of the last block."""
        return self.channels[-1] * (4 if self.bottleneck else 1)


# Blocks in each stage, and whether they are bottlenecks.
LARGE = {
    "resnet18": ((2, 2, 2, 2), False),
    "resnet34": ((3, 4, 6, 3), False),
    "resnet50": ((3, 4, 6, 3), True),
    "resnet101": ((3, 4, 23, 3), True),
    "resnet152": ((3, 8, 36, 3), True),
}


def net_of(name: str) -> Net:
    """The net of a name: resnet20 or another depth of 6n + 2, or one of LARGE.

    resnet20x4 has four times the channels, resnet56-digits takes images of 1x8x8.
    """
    if name in LARGE:
        blocks, bottleneck = LARGE[name]
        return Net((3, 224, 224), 7, (64, 128, 256, 512), blocks, "B", 1000, bottleneck)
    match = re.fullmatch(r"resnet(\d+)(?:x(\d+))?(-digits)?", name)
    if match is None or int(match[1]) % 6 != 2 or int(match[1]) < 8:
        raise ValueError(
            f"there is no net {name!r}; expected one of {', '.join(LARGE)}, or one like resnet20"
        )
    blocks, width = (int(match[1]) - 2) // 6, int(match[2] or 1)
    image = (1, 8, 8) if match[3] else (3, 32, 32)
    return Net(image, 3, (16 * width, 32 * width, 64 * width), (blocks,) * 3, "A", 10)


def batch_of(net: Net, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The same made-up images (n, C, H, W) and labels for every engine."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, *net.image), dtype=np.float32), rng.integers(0, net.classes, n)


def weights_of(net: Net) -> dict[str, np.ndarray]:
    """The same first weights for every engine, named as torchvision names them."""
    rng = np.random.default_rng(0)
    weights: dict[str, np.ndarray] = {}

    def conv(name: str, *shape: int) -> None:
        std = math.sqrt(2 / math.prod(shape[1:]))
        weights[f"{name}.weight"] = std * rng.standard_normal(shape, dtype=np.float32)

    def batch_norm(name: str, channels: int) -> None:
        weights[f"{name}.weight"] = np.ones(channels, np.float32)
        weights[f"{name}.bias"] = np.zeros(channels, np.float32)

    conv("conv1", net.channels[0], net.image[0], net.kernel, net.kernel)
    batch_norm("bn1", net.channels[0])
    for name, before, layers, stride in net.stages():
        channels = before
        for number, layer in enumerate(layers, start=1):
            conv(f"{name}.conv{number}", layer.channels, channels, layer.kernel, layer.kernel)
            batch_norm(f"{name}.bn{number}", layer.channels)
            channels = layer.channels
        if (stride > 1 or channels != before) and net.shortcut == "B":
            conv(f"{name}.downsample.0", channels, before, 1, 1)
            batch_norm(f"{name}.downsample.1", channels)
    conv("fc", net.classes, net.features)
    weights["fc.bias"] = np.zeros(net.classes, np.float32)
    return weights
