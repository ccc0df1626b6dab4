"""MyGrad. It has no optimiser, so this one is by hand, and no running statistics.

Its windows must fit the image to the pixel, where others leave a rest out, and it pads both
sides alike; so where there is a stride, zeros are put around the images here.
"""

from typing import Any

import mygrad as mg
import numpy as np
from mygrad.nnet.activations import relu
from mygrad.nnet.layers import batchnorm, conv_nd, max_pool
from mygrad.nnet.losses import softmax_crossentropy

from . import EPS, LR, MOMENTUM, WEIGHT_DECAY, Step
from .functional import ResNet
from .nets import Net, batch_of, weights_of


class MygradNet(ResNet):
    """The net in MyGrad."""

    def conv2d(self, x: Any, name: str, stride: int, padding: int) -> Any:
        w = self.w[f"{name}.weight"]
        if stride > 1:
            x, padding = fitted(x, w.shape[2], stride, padding), 0
        return conv_nd(x, w, stride=stride, padding=padding)

    def batch_norm(self, x: Any, name: str) -> Any:
        return batchnorm(x, gamma=self.w[f"{name}.weight"], beta=self.w[f"{name}.bias"], eps=EPS)

    def relu(self, x: Any) -> Any:
        return relu(x)

    def shortcut_a(self, x: Any, stride: int, zeros: int) -> Any:
        x = x[:, :, ::stride, ::stride]
        return between_zeros(x, 1, zeros, zeros)

    def max_pool(self, x: Any) -> Any:
        return max_pool(fitted(x, 3, 2, 1), (3, 3), 2)  # zeros never win after a ReLU

    def global_avg_pool(self, x: Any) -> Any:
        return x.mean((2, 3))

    def linear(self, x: Any, name: str) -> Any:
        return mg.matmul(x, self.w[f"{name}.weight"].T) + self.w[f"{name}.bias"]


def between_zeros(x: Any, axis: int, before: int, after: int) -> Any:
    """x with zeros before and after it."""
    sizes = [[*x.shape[:axis], n, *x.shape[axis + 1 :]] for n in (before, after)]
    return mg.concatenate([np.zeros(sizes[0], x.dtype), x, np.zeros(sizes[1], x.dtype)], axis)


def fitted(x: Any, kernel: int, stride: int, padding: int) -> Any:
    """x with as many zeros around it, or as few pixels, as windows with a stride use."""
    rest = (x.shape[2] + 2 * padding - kernel) % stride
    if not padding:
        return x[:, :, : x.shape[2] - rest, : x.shape[3] - rest]
    x = between_zeros(x, 2, padding, padding - rest)
    return between_zeros(x, 3, padding, padding - rest)


def training(net: Net, n: int) -> Step:
    """A step of training."""
    x, labels = batch_of(net, n)
    w = {name: mg.tensor(value) for name, value in weights_of(net).items()}
    v = {name: np.zeros_like(value.data) for name, value in w.items()}
    model = MygradNet(net, w)

    def step() -> float:
        loss = softmax_crossentropy(model(x), labels)
        loss.backward()
        for name, value in w.items():
            v[name] *= MOMENTUM
            v[name] += value.grad + WEIGHT_DECAY * value.data
            value.data -= LR * v[name]
        return float(loss.data)

    return step
