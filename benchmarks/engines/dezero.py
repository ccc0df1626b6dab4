"""DeZero, which needs a NumPy before 1.24."""

from typing import Any

import dezero
import dezero.functions as F
import numpy as np
from dezero.functions_conv import conv2d, pooling

from . import EPS, LR, MOMENTUM, WEIGHT_DECAY, Step
from .functional import ResNet
from .nets import Net, batch_of, weights_of


class ZeroChannels(dezero.Function):
    """Channels of zeros on each side, which DeZero has no function for."""

    def __init__(self, zeros: int) -> None:
        super().__init__()
        self.zeros = zeros

    def forward(self, x: np.ndarray) -> np.ndarray:
        return np.pad(x, ((0, 0), (self.zeros, self.zeros), (0, 0), (0, 0)))

    def backward(self, gy: Any) -> Any:
        return gy[:, self.zeros : -self.zeros]


class DezeroNet(ResNet):
    """The net in DeZero."""

    def __init__(self, net: Net, w: dict[str, Any]) -> None:
        super().__init__(net, w)
        self.running: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def conv2d(self, x: Any, name: str, stride: int, padding: int) -> Any:
        return conv2d(x, self.w[f"{name}.weight"], None, stride, padding)

    def batch_norm(self, x: Any, name: str) -> Any:
        w, b = self.w[f"{name}.weight"], self.w[f"{name}.bias"]
        mean, var = self.running.setdefault(name, (np.zeros_like(b.data), np.ones_like(b.data)))
        return F.batch_nrom(x, w, b, mean, var, eps=EPS)  # its own spelling

    def relu(self, x: Any) -> Any:
        return F.relu(x)

    def shortcut_a(self, x: Any, stride: int, zeros: int) -> Any:
        return ZeroChannels(zeros)(x[:, :, ::stride, ::stride])

    def max_pool(self, x: Any) -> Any:
        return pooling(x, 3, 2, 1)

    def global_avg_pool(self, x: Any) -> Any:
        N, C, H, W = x.shape
        return x.reshape(N, C, H * W).sum(2) / np.float32(H * W)

    def linear(self, x: Any, name: str) -> Any:
        return F.linear(x, F.transpose(self.w[f"{name}.weight"]), self.w[f"{name}.bias"])


def training(net: Net, n: int) -> Step:
    """A step of training."""
    x, labels = batch_of(net, n)
    target = dezero.Layer()
    w = {name: dezero.Parameter(value) for name, value in weights_of(net).items()}
    for name, value in w.items():
        setattr(target, name, value)
    model = DezeroNet(net, w)
    optimiser = dezero.optimizers.MomentumSGD(LR, MOMENTUM).setup(target)
    optimiser.add_hook(dezero.optimizers.WeightDecay(WEIGHT_DECAY))

    def step() -> float:
        loss = F.softmax_cross_entropy(model(dezero.Variable(x)), labels)
        target.cleargrads()
        loss.backward()
        optimiser.update()
        return float(loss.data)

    return step
