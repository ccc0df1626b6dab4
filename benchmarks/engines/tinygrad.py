"""tinygrad: the whole step under its TinyJit. It compiles with clang, which must be there."""

from typing import Any

import numpy as np
from tinygrad import Context, Tensor, TinyJit
from tinygrad.nn import BatchNorm
from tinygrad.nn.optim import SGD

from . import EPS, LR, MOMENTUM, WEIGHT_DECAY, Step
from .functional import ResNet
from .nets import Net, batch_of, weights_of


class TinygradNet(ResNet):
    """The net in tinygrad."""

    def __init__(self, net: Net, w: dict[str, Any]) -> None:
        super().__init__(net, w)
        self.norms: dict[str, BatchNorm] = {}

    def conv2d(self, x: Any, name: str, stride: int, padding: int) -> Any:
        return x.conv2d(self.w[f"{name}.weight"], stride=stride, padding=padding)

    def batch_norm(self, x: Any, name: str) -> Any:
        if name not in self.norms:
            self.norms[name] = norm = BatchNorm(x.shape[1], EPS)
            norm.weight, norm.bias = self.w[f"{name}.weight"], self.w[f"{name}.bias"]
        return self.norms[name](x)

    def relu(self, x: Any) -> Any:
        return x.relu()

    def shortcut_a(self, x: Any, stride: int, zeros: int) -> Any:
        return x[:, :, ::stride, ::stride].pad((None, (zeros, zeros), None, None))

    def max_pool(self, x: Any) -> Any:
        return x.max_pool2d((3, 3), stride=2, padding=1)

    def global_avg_pool(self, x: Any) -> Any:
        return x.mean((2, 3))

    def linear(self, x: Any, name: str) -> Any:
        return x.linear(self.w[f"{name}.weight"].T, self.w[f"{name}.bias"])


def training(net: Net, n: int) -> Step:
    """A step of training."""
    images, labels = batch_of(net, n)
    x, t = Tensor(images).realize(), Tensor(labels.astype(np.int32)).realize()
    w = {name: Tensor(value) for name, value in weights_of(net).items()}
    model = TinygradNet(net, w)
    optimiser = SGD(list(w.values()), LR, MOMENTUM, WEIGHT_DECAY)

    @TinyJit
    def compiled() -> Tensor:
        loss = model(x).sparse_categorical_crossentropy(t)
        optimiser.zero_grad()
        loss.backward()
        kept = [r for norm in model.norms.values() for r in (norm.running_mean, norm.running_var)]
        return loss.realize(*optimiser.schedule_step(), *kept)

    def step() -> float:
        with Context(TRAINING=1):
            return compiled().item()

    return step
