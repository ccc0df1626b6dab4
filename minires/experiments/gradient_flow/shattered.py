"""Shattered gradients: the correlation of the gradients at neighbouring inputs.

Balduzzi et al., 1702.08591: in plain nets the correlation falls exponentially with depth, until
the gradient is white noise; with shortcuts it falls much more slowly.

In short: where two inputs have little in common, half of the units that are active for the one
are active for the other, so that each plain layer halves the correlation, to 2^−L after L. The
stream of a residual net has the variance of l branches after l blocks, batch norm divides by it,
and so block l adds 1 / l to what the gradient has; half of that to what two have in common.
Their correlation is Π (1 + 1 / 2l) / Π (1 + 1 / l), about 1 / √L.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from ...autograd import Tensor
from ...backend import Array, manual_seed, placed, to_numpy
from ...models import NetSpec
from ...modes import no_grad
from ...nn import BatchNorm2d, Module
from .measurement import Measurement

_CLASSES, _CHANNELS, _PIXELS = 10, 3, 8


@dataclass(frozen=True)
class Shattering:
    """The gradients of a net at inputs along an arc, for several draws of its weights.

    Attributes:
        net: its spec.
        correlation: of the gradients at neighbouring inputs, for each draw, float64 (draws,).
        angles: of the inputs on the arc, in degrees, float64 (inputs,).
        slope: of a random projection of the output along the arc, in the first draw, float64
            (inputs,).
    """

    net: NetSpec
    correlation: Array
    angles: Array
    slope: Array

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row of shattered.csv for each draw."""
        for draw, correlation in enumerate(self.correlation):
            yield {"net": str(self.net), "draw": draw, "correlation": f"{correlation:.6g}"}


@dataclass(frozen=True)
class Shattered(Measurement[Shattering]):
    """Plain and residual nets at initialisation, of several depths: `list(Shattered())`.

    The inputs are on a quarter of a circle around zero, from one image of noise to another. Batch
    norm is frozen at the statistics of all inputs, so that the gradient at an input depends on
    this input alone.

    Attributes:
        depths: 6n + 2 each.
        draws: of weights, arc and projection.
        inputs: on the arc.
        seed: of everything that is drawn.
    """

    depths: tuple[int, ...] = (8, 14, 20, 26, 32, 44, 56)
    draws: int = 10
    inputs: int = 64
    seed: int = 0

    def __len__(self) -> int:
        return 2 * len(self.depths)

    def __getitem__(self, index: int) -> Shattering:
        net = NetSpec(*[*product(("plain", "resnet"), self.depths)][index])
        draws = [self.draw(net, number) for number in range(self.draws)]
        correlations = [neighbours(gradients) for gradients, _ in draws]
        gradients, tangents = draws[0]
        slope = (gradients * tangents).sum(axis=1)
        return Shattering(net, np.array(correlations), self.angles, slope)

    @property
    def angles(self) -> Array:
        """The angles of the inputs on the arc, in degrees, (inputs,)."""
        return np.linspace(0, 90, self.inputs)

    def draw(self, net: NetSpec, number: int) -> tuple[Array, Array]:
        """Return the gradients at all inputs, and the arc's tangents: (inputs, pixels) each."""
        manual_seed(self.seed + number)
        rng = np.random.default_rng([self.seed, number])
        points, tangents = self.arc(*rng.standard_normal((2, _CHANNELS * _PIXELS**2)))
        x = points.astype(np.float32).reshape(-1, _CHANNELS, _PIXELS, _PIXELS)
        model = net.build(_CLASSES, _CHANNELS, norm=partial(BatchNorm2d, momentum=1.0))
        with no_grad():
            model(x)  # makes the running statistics those of these inputs
        return input_gradients(model.eval(), x, rng.standard_normal(_CLASSES)), tangents

    def arc(self, start: Array, end: Array) -> tuple[Array, Array]:
        """Return the inputs from `start` to `end`, and the tangents: (inputs, pixels) each."""
        t = np.radians(self.angles)[:, None]
        return np.cos(t) * start + np.sin(t) * end, np.cos(t) * end - np.sin(t) * start


def input_gradients(model: Module, x: Array, projection: Array) -> Array:
    """Return the gradient of model(x) · projection at each input: (N, ...) -> float64 (N, size).

    Args:
        model: in evaluation, where no output depends on another's input.
        x: the inputs; projection: (outputs,).
    """
    leaf = Tensor(x, requires_grad=True)
    y = model(leaf)
    y.backward(placed(np.broadcast_to(projection.astype(x.dtype), y.shape)))
    assert leaf.grad is not None
    return to_numpy(leaf.grad).reshape(len(x), -1).astype(np.float64)


def neighbours(gradients: Array) -> float:
    """Return the mean correlation of each gradient, (N, size), with the next one.

    Gradients of random weights have mean zero: the correlation is the cosine between them.
    """
    unit = gradients / np.linalg.norm(gradients, axis=1, keepdims=True)
    return float((unit[1:] * unit[:-1]).sum(axis=1).mean())
