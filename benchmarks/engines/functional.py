"""A residual net as a function of its weights, for engines that bring the operations."""

from collections.abc import Mapping
from typing import Any

from .nets import Layer, Net


class ResNet:
    """The net of a description; a subclass says how its engine does each operation.

    Attributes:
        w: the weights by name, as the engine's own arrays.
    """

    def __init__(self, net: Net, w: Mapping[str, Any]) -> None:
        self.net = net
        self.w = w

    def __call__(self, x: Any) -> Any:
        """Logits of images."""
        net = self.net
        large = net.kernel == 7
        y = self.conv2d(x, "conv1", 2 if large else 1, net.kernel // 2)
        y = self.relu(self.batch_norm(y, "bn1"))
        if large:
            y = self.max_pool(y)
        for name, before, layers, stride in net.stages():
            y = self.block(y, name, before, layers, stride)
        return self.linear(self.global_avg_pool(y), "fc")

    def block(self, x: Any, name: str, before: int, layers: list[Layer], stride: int) -> Any:
        """The convolutions of a block and its shortcut."""
        y = x
        for number, layer in enumerate(layers, start=1):
            y = self.relu(y) if number > 1 else y
            y = self.conv2d(y, f"{name}.conv{number}", layer.stride, layer.kernel // 2)
            y = self.batch_norm(y, f"{name}.bn{number}")
        missing = layers[-1].channels - before
        if missing and self.net.shortcut == "A":
            x = self.shortcut_a(x, stride, missing // 2)
        elif missing:
            x = self.conv2d(x, f"{name}.downsample.0", stride, 0)
            x = self.batch_norm(x, f"{name}.downsample.1")
        return self.relu(y + x)

    def conv2d(self, x: Any, name: str, stride: int, padding: int) -> Any:
        """Convolution without a bias."""
        raise NotImplementedError

    def batch_norm(self, x: Any, name: str) -> Any:
        """Batch norm with the batch's statistics."""
        raise NotImplementedError

    def relu(self, x: Any) -> Any:
        """max(x, 0)."""
        raise NotImplementedError

    def shortcut_a(self, x: Any, stride: int, zeros: int) -> Any:
        """Every stride-th pixel, with so many channels of zeros on each side."""
        raise NotImplementedError

    def max_pool(self, x: Any) -> Any:
        """Of 3x3 windows, with stride 2 and padding 1."""
        raise NotImplementedError

    def global_avg_pool(self, x: Any) -> Any:
        """The mean of each map."""
        raise NotImplementedError

    def linear(self, x: Any, name: str) -> Any:
        """x wᵀ + b."""
        raise NotImplementedError
