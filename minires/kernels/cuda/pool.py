"""Pooling on a GPU: one thread a number of the result; see cuda/pool.cu."""

import math
from typing import Any

import numpy as np

from ... import ops
from ...autograd import Gradients
from ...backend import Array
from ...modes import twin
from ...ops.windows import output_size
from .launch import over, structure
from .layout import are_maps, empty, images, planes


@twin(ops.pool.MaxPool2d, "cupy")
class MaxPool2d(ops.pool.MaxPool2d):
    """The textbook's max pooling; it keeps which place of a window won, in one byte."""

    def suits(self, x: Any) -> bool:
        return are_maps(x) and math.prod(self.kernel) <= 256

    def forward(self, x: Array) -> Array:
        N, C, H, W = x.shape
        out = output_size(x.shape, self.kernel, self.stride, self.padding)
        windows = structure(H, W, *out, N, *self.kernel, *self.stride, *self.padding)
        y, winner = empty((C, *out, N)), empty((C, *out, N), np.uint8)
        over("pool", "max_pool", y.size, planes(x), y, winner, windows)
        self.save(winner, windows)
        return images(y)

    def backward(self, gy: Array) -> Gradients:
        winner, windows = self.saved
        N, C, H, W = self.input_shapes[0]
        gx = empty((C, H, W, N))
        over("pool", "max_pool_gradient", gx.size, planes(gy), winner, gx, windows)
        return images(gx)


@twin(ops.pool.GlobalAvgPool2d, "cupy")
class GlobalAvgPool2d(ops.pool.GlobalAvgPool2d):
    """The textbook's mean of each map."""

    def suits(self, x: Any) -> bool:
        return are_maps(x)

    def forward(self, x: Array) -> Array:
        N, C, H, W = x.shape
        y = empty((C, N))
        over("pool", "mean_of_maps", y.size, planes(x), y, H * W, N)
        return images(y)

    def backward(self, gy: Array) -> Gradients:
        N, C, H, W = self.input_shapes[0]
        gx = empty((C, H, W, N))
        over("pool", "mean_of_maps_gradient", gx.size, planes(gy), gx, H * W, N)
        return images(gx)
