"""Batch norm on a GPU: its statistics are taken where the convolution before it writes x.

Where there was none, a kernel of its own takes them. The rest of forward is lazy. Backward has one
kernel for its sums and one for gx; both read the gradient through the mask of the ReLU that came
after, if there was one. See batchnorm.cu and statistics.cuh.

Not measured on a GPU yet.
"""

from typing import Any

import numpy as np

from ... import ops
from ...backend import Array, load
from ...ops import Gradients
from ..inference import LazyBatchNormInference
from ..lazy import realized
from ..registry import Kernel, register
from .conv import LazyConvolution
from .launch import blocks, launch
from .layout import are_maps, empty, images, planes
from .maps import Combination, behind_mask
from .statistics import Parts, statistics

_PARTS = 64  # of a channel, at most
_VALUES = 1024  # of a part, at least
_OF_A_CONVOLUTION = 1024  # parts at most, which a single block puts together in a few microseconds


@register(ops.BatchNorm, "cupy")
class CudaBatchNorm(Kernel):
    """Batch norm of feature maps; forward returns scale · x + shift, lazy."""

    takes_lazy = True
    fresh = True

    def suits(self, op: ops.BatchNorm, x: Any, w: Array, b: Array) -> bool:
        return are_maps(x)

    def forward(self, op: ops.BatchNorm, x: Any, w: Array, b: Array) -> Any:
        w, b = map(load("cupy").ascontiguousarray, (w, b))
        op.mean, op.var, r, scale, shift = empty((5, len(w)))
        moved = op.running if all(map(_can_be_moved, op.running)) else (None, None)
        by_convolution = (
            isinstance(x, LazyConvolution)
            and not x.is_realized
            and x.parts.number <= _OF_A_CONVOLUTION
        )
        p = x.parts if by_convolution else parts(x)
        memory = empty((p.number, len(w), 2))
        made = (op.mean, op.var, r, scale, shift)
        numbers = float(op.eps), float(op.momentum), len(w), p.M, p.values
        wanted = statistics(memory, w, b, *made, *moved, *numbers)
        if by_convolution:
            X = planes(x.realize_with(wanted))
        else:
            X = planes(realized(x))
            launch("batchnorm", "moments", (p.number, len(w)), X, wanted)
        if moved is not op.running:
            op.move_running(p.M)
        op.save(X, w, op.mean, r)
        return Combination([(X, scale)], shift)

    def backward(self, op: ops.BatchNorm, gy: Any) -> Gradients:
        X, w, mean, r = op.saved
        masked = behind_mask(gy, X)
        gw, gb, *factors = empty((5, len(X)))
        p = parts(images(X))
        memory = empty((len(X), p.number, 2), np.float64)
        given, made = (*masked, X, w, mean, r), (memory, gw, gb, *factors)
        launch("batchnorm", "sums", (p.number, len(X)), *given, *made, p.M, p.values)
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


def parts(x: Any) -> Parts:
    """Return how x (N, C, H, W) is cut."""
    M = x.size // x.shape[1]
    values = blocks(M, min(_PARTS, blocks(M, _VALUES)))
    return Parts(M, values, blocks(M, values))
