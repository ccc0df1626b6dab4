"""Batch norm on a GPU: two kernels for its statistics, and the promise of the rest.

Backward has as many, and one for gx; all of them read the gradient through the gate of the ReLU
that came after, if there was one. See cuda/batchnorm.cu.
"""

from typing import Any

import numpy as np

from ... import ops
from ...autograd import Gradients
from ...backend import Array, load, settled
from ...modes import twin
from ...ops.batchnorm import moving_average as textbook_average
from ..inference import PromisedInference
from .launch import blocks, launch, over
from .layout import are_maps, empty, images, planes
from .maps import Combination, gate_of

_PARTS = 64  # of a channel, at most; as many threads put them together
_VALUES = 1024  # of a part, at least


@twin(ops.batchnorm.BatchNorm, "cupy")
class BatchNorm(ops.batchnorm.BatchNorm):
    """The textbook's batch norm of maps; forward gives a promise of scale · x + shift."""

    takes_promises = True

    def suits(self, x: Any, w: Array, b: Array) -> bool:
        return are_maps(x)

    def forward(self, x: Any, w: Array, b: Array) -> Any:
        x = settled(x)
        self.expect_inputs(x, w, b)
        X, w, b = planes(x), *map(load("cupy").ascontiguousarray, (w, b))
        sums = Sums(X)
        self.mean, self.var, r, scale, shift = empty((5, len(X)))
        made = (self.mean, self.var, r, scale, shift)
        parts = sums.each_part("part_moments", X)
        sizes = (sums.count, sums.M, sums.values)
        sums.together("moments", parts, w, b, *made, *sizes, float(self.eps))
        self.save(X, w, self.mean, r)
        return Combination([(X, scale)], shift)

    def backward(self, gy: Any) -> Gradients:
        X, w, mean, r = self.saved
        g, y = gate_of(gy)
        sums = Sums(X)
        gw, gb, *factors = empty((5, len(X)))
        parts = sums.each_part("part_sums", g, y, X, mean)
        sums.together("sums", parts, w, mean, r, gw, gb, *factors, sums.count, sums.M)
        gx = empty(X.shape)
        grid = (blocks(sums.M), len(X))
        launch("batchnorm", "input_gradient", grid, g, y, X, *factors, gx, sums.M)
        return images(gx), gw, gb


@twin(ops.batchnorm.BatchNormInference, "cupy")
class BatchNormInference(PromisedInference):
    """Of maps in float32."""

    def suits(self, x: Any, w: Array, b: Array) -> bool:
        return are_maps(x)

    def promise(self, x: Array, scale: Array, shift: Array) -> Any:
        return Combination([(planes(x), scale)], shift)


@twin(textbook_average, "cupy")
def moving_average(r: Array, s: Array, factor: float, momentum: float) -> None:
    """The textbook's moving average, in one kernel instead of four."""
    lie_well = r.flags.c_contiguous and s.flags.c_contiguous
    if r.dtype == s.dtype == np.float32 and lie_well:
        over("batchnorm", "moving_average", r.size, r, s, float(momentum), float(factor))
    else:
        textbook_average(r, s, factor, momentum)


class Sums:
    """Sums over each channel of maps (C, H, W, N), of parts of it first.

    Attributes:
        M: values a channel; count: its parts; values: of a part, the last one may have fewer.
    """

    def __init__(self, X: Array) -> None:
        self.C = len(X)
        self.M = X.size // self.C
        self.values = blocks(self.M, min(_PARTS, blocks(self.M, _VALUES)))
        self.count = blocks(self.M, self.values)

    def each_part(self, name: str, *arrays: Array | None) -> Array:
        """Run a kernel that makes two numbers of each part: (C, parts, 2), float64."""
        parts = empty((self.C, self.count, 2), np.float64)
        launch("batchnorm", name, (self.count, self.C), *arrays, parts, self.M, self.values)
        return parts

    def together(self, name: str, *arguments: Any) -> None:
        """Run a kernel that puts the parts of each channel together."""
        launch("batchnorm", name, (self.C,), *arguments, threads=_PARTS)
