"""Batch norm on a GPU: one kernel for its statistics, the rest lazy.

Backward has one for its sums and one for gx; both read the gradient through the mask of the ReLU
that came after, if there was one. See batchnorm.cu.

Not measured on a GPU yet.
"""

from typing import Any, NamedTuple

import numpy as np

from ... import ops
from ...backend import Array, load
from ...ops import Gradients
from ..inference import LazyBatchNormInference
from ..lazy import realized
from ..registry import Kernel, register
from .launch import blocks, launch
from .layout import are_maps, empty, images, planes
from .maps import Combination, behind_mask

_PARTS = 64  # of a channel, at most
_VALUES = 1024  # of a part, at least


@register(ops.BatchNorm, "cupy")
class CudaBatchNorm(Kernel):
    """Batch norm of feature maps; forward returns scale · x + shift, lazy."""

    takes_lazy = True
    fresh = True

    def suits(self, op: ops.BatchNorm, x: Any, w: Array, b: Array) -> bool:
        return are_maps(x)

    def forward(self, op: ops.BatchNorm, x: Any, w: Array, b: Array) -> Any:
        X, w, b = planes(realized(x)), *map(load("cupy").ascontiguousarray, (w, b))
        op.mean, op.var, r, scale, shift = empty((5, len(X)))
        p = parts(X)
        made = (p.memory, op.mean, op.var, r, scale, shift)
        moved = op.running if all(map(_can_be_moved, op.running)) else (None, None)
        numbers = p.M, p.values, float(op.eps), float(op.momentum)
        launch("batchnorm", "moments", p.grid, X, w, b, *made, *moved, *numbers)
        if moved is not op.running:
            op.move_running(p.M)
        op.save(X, w, op.mean, r)
        return Combination([(X, scale)], shift)

    def backward(self, op: ops.BatchNorm, gy: Any) -> Gradients:
        X, w, mean, r = op.saved
        masked = behind_mask(gy, X)
        gw, gb, *factors = empty((5, len(X)))
        p = parts(X)
        given, made = (*masked, X, w, mean, r), (p.memory, gw, gb, *factors)
        launch("batchnorm", "sums", p.grid, *given, *made, p.M, p.values)
        gx = empty(X.shape)
        grid = (blocks(p.M), len(X))
        launch("batchnorm", "input_gradient", grid, *masked, X, *factors, gx, p.M)
        return images(gx), gw, gb


@register(ops.BatchNormInference, "cupy")
class CudaBatchNormInference(LazyBatchNormInference):
    """Of feature maps in float32."""

    def suits(self, op: ops.BatchNormInference, x: Any, w: Array, b: Array) -> bool:
        return are_maps(x)

    def scaled(self, x: Array, scale: Array, shift: Array) -> Any:
        return Combination([(planes(x), scale)], shift)


def _can_be_moved(running: Array | None) -> bool:
    """Return whether the kernel can move running statistics, if there are any."""
    return running is None or (running.dtype == np.float32 and running.flags.c_contiguous)


class Parts(NamedTuple):
    """How each channel of maps (C, H, W, N) is cut into parts, which are summed on their own.

    Attributes:
        grid: a block for each part of each channel.
        memory: of two float64 a part.
        M: values a channel; values: of a part, the last one may have fewer.
    """

    grid: tuple[int, int]
    memory: Array
    M: int
    values: int


def parts(X: Array) -> Parts:
    """Return the parts of X."""
    C, M = len(X), X.size // len(X)
    values = blocks(M, min(_PARTS, blocks(M, _VALUES)))
    count = blocks(M, values)
    return Parts((count, C), empty((C, count, 2), np.float64), M, values)
