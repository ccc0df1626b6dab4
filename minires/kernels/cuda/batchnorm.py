"""Batch norm on a GPU: two kernels for its statistics, the rest lazy.

Backward has as many, and one for gx; all of them read the gradient through the mask of the ReLU
that came after, if there was one. See batchnorm.cu.

Not measured on a GPU yet.
"""

from typing import Any

import numpy as np

from ... import ops
from ...backend import Array, load
from ...ops import Gradients
from ...ops.batchnorm import moving_average
from ..inference import LazyBatchNormInference
from ..lazy import realized
from ..registry import Kernel, register
from .launch import blocks, launch, over
from .layout import are_maps, empty, images, planes
from .maps import Combination, unmasked

_PARTS = 64  # of a channel, at most; as many threads add them up
_VALUES = 1024  # of a part, at least


@register(ops.BatchNorm, "cupy")
class CudaBatchNorm(Kernel):
    """Batch norm of feature maps; forward returns scale · x + shift, lazy."""

    takes_lazy = True

    def suits(self, op: ops.BatchNorm, x: Any, w: Array, b: Array) -> bool:
        return are_maps(x)

    def forward(self, op: ops.BatchNorm, x: Any, w: Array, b: Array) -> Any:
        X, w, b = planes(realized(x)), *map(load("cupy").ascontiguousarray, (w, b))
        sums = Sums(X)
        op.mean, op.var, r, scale, shift = empty((5, len(X)))
        made = (op.mean, op.var, r, scale, shift)
        parts = sums.each_part("part_moments", X)
        sizes = (sums.count, sums.M, sums.values)
        sums.together("moments", parts, w, b, *made, *sizes, float(op.eps))
        op.save(X, w, op.mean, r)
        return Combination([(X, scale)], shift)

    def backward(self, op: ops.BatchNorm, gy: Any) -> Gradients:
        X, w, mean, r = op.saved
        g, y = unmasked(gy)
        sums = Sums(X)
        gw, gb, *factors = empty((5, len(X)))
        parts = sums.each_part("part_sums", g, y, X, mean)
        sums.together("sums", parts, w, mean, r, gw, gb, *factors, sums.count, sums.M)
        gx = empty(X.shape)
        grid = (blocks(sums.M), len(X))
        launch("batchnorm", "input_gradient", grid, g, y, X, *factors, gx, sums.M)
        return images(gx), gw, gb


@register(ops.BatchNormInference, "cupy")
class CudaBatchNormInference(LazyBatchNormInference):
    """Of feature maps in float32."""

    def suits(self, op: ops.BatchNormInference, x: Any, w: Array, b: Array) -> bool:
        return are_maps(x)

    def scaled(self, x: Array, scale: Array, shift: Array) -> Any:
        return Combination([(planes(x), scale)], shift)


@register(moving_average, "cupy")
def cuda_moving_average(r: Array, s: Array, factor: float, momentum: float) -> None:
    """Update the running statistics r in one kernel instead of four."""
    contiguous = r.flags.c_contiguous and s.flags.c_contiguous
    if r.dtype == s.dtype == np.float32 and contiguous:
        over("batchnorm", "moving_average", r.size, r, s, float(momentum), float(factor))
    else:
        moving_average(r, s, factor, momentum)


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
        """Run a kernel that adds up the parts of each channel."""
        launch("batchnorm", name, (self.C,), *arguments, threads=_PARTS)
