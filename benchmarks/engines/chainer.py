"""Chainer, whose last version needs a NumPy before 1.24."""

from typing import Any

import chainer
import chainer.functions as F
import numpy as np

from . import EPS, LR, MOMENTUM, WEIGHT_DECAY, Step
from .functional import ResNet
from .nets import Net, batch_of, weights_of


class ChainerNet(ResNet):
    """The net in Chainer."""

    def __init__(self, net: Net, w: dict[str, Any]) -> None:
        super().__init__(net, w)
        self.running: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def conv2d(self, x: Any, name: str, stride: int, padding: int) -> Any:
        return F.convolution_2d(x, self.w[f"{name}.weight"], stride=stride, pad=padding)

    def batch_norm(self, x: Any, name: str) -> Any:
        w, b = self.w[f"{name}.weight"], self.w[f"{name}.bias"]
        mean, var = self.running.setdefault(name, (np.zeros_like(b.array), np.ones_like(b.array)))
        return F.batch_normalization(x, w, b, eps=EPS, running_mean=mean, running_var=var)

    def relu(self, x: Any) -> Any:
        return F.relu(x)

    def shortcut_a(self, x: Any, stride: int, zeros: int) -> Any:
        x = x[:, :, ::stride, ::stride]
        return F.pad(x, ((0, 0), (zeros, zeros), (0, 0), (0, 0)), "constant")

    def max_pool(self, x: Any) -> Any:
        return F.max_pooling_2d(x, 3, 2, 1, cover_all=False)

    def global_avg_pool(self, x: Any) -> Any:
        return F.mean(x, (2, 3))

    def linear(self, x: Any, name: str) -> Any:
        return F.linear(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"])


def training(net: Net, n: int) -> Step:
    """A step of training."""
    x, labels = batch_of(net, n)
    target = chainer.Link()
    with target.init_scope():
        for name, value in weights_of(net).items():
            setattr(target, name, chainer.Parameter(value))
    model = ChainerNet(net, {name.removeprefix("/"): p for name, p in target.namedparams()})
    optimiser = chainer.optimizers.MomentumSGD(LR, MOMENTUM).setup(target)
    optimiser.add_hook(chainer.optimizer_hooks.WeightDecay(WEIGHT_DECAY))
    labels = labels.astype(np.int32)

    def step() -> float:
        loss = F.softmax_cross_entropy(model(x), labels)
        target.cleargrads()
        loss.backward()
        optimiser.update()
        return float(loss.array)

    return step
