"""Pooling on a GPU: one thread for each number of the result; see pool.cu.

Not measured on a GPU yet.
"""

import math
from typing import Any

import numpy as np

from ... import ops
from ...backend import Array
from ...ops import Gradients
from ...ops.windows import output_size
from ..registry import Kernel, register
from .launch import over, structure
from .layout import are_counted, are_maps, empty, images, planes


@register(ops.MaxPool2d, "cupy")
class CudaMaxPool2d(Kernel):
    """Max pooling; the tap of each window that won is kept, in one byte."""

    def suits(self, op: ops.MaxPool2d, x: Any) -> bool:
        if not are_maps(x) or math.prod(op.kernel_size) > 256:
            return False
        out = output_size(x.shape, op.kernel_size, op.stride, op.padding)
        return are_counted(math.prod((*x.shape[:2], *out)))

    def forward(self, op: ops.MaxPool2d, x: Array) -> Array:
        N, C, H, W = x.shape
        out = output_size(x.shape, op.kernel_size, op.stride, op.padding)
        windows = structure(H, W, *out, N, *op.kernel_size, *op.stride, *op.padding)
        y, winner = empty((C, *out, N)), empty((C, *out, N), np.uint8)
        over("pool", "max_pool", y.size, planes(x), y, winner, windows)
        op.save(winner, windows)
        return images(y)

    def backward(self, op: ops.MaxPool2d, gy: Array) -> Gradients:
        winner, windows = op.saved
        N, C, H, W = op.input_shapes[0]
        gx = empty((C, H, W, N))
        over("pool", "max_pool_gradient", gx.size, planes(gy), winner, gx, windows)
        return images(gx)


@register(ops.GlobalAvgPool2d, "cupy")
class CudaGlobalAvgPool2d(Kernel):
    """The mean of each feature map."""

    def suits(self, op: ops.GlobalAvgPool2d, x: Any) -> bool:
        return are_maps(x)

    def forward(self, op: ops.GlobalAvgPool2d, x: Array) -> Array:
        N, C, H, W = x.shape
        y = empty((C, N))
        over("pool", "mean_of_maps", y.size, planes(x), y, H * W, N)
        return images(y)

    def backward(self, op: ops.GlobalAvgPool2d, gy: Array) -> Gradients:
        N, C, H, W = op.input_shapes[0]
        gx = empty((C, H, W, N))
        over("pool", "mean_of_maps_gradient", gx.size, planes(gy), gx, H * W, N)
        return images(gx)
