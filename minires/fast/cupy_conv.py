"""Convolution on a GPU: three products whose second factor is never made; see cuda/conv.cu."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from .. import ops
from ..backend import Array
from ..context import twin
from ..engine import Gradients
from .cuda import blocks, launch
from .cupy_layout import empty, images, planes
from .strips import Walk

_MAPS = np.dtype([(n, "i4") for n in "channels H W Ho Wo N kh kw stride first_h first_w".split()])
_WEIGHTS = np.dtype([(n, "i4") for n in "base of_row of_channel of_u of_v".split()])
_WRITTEN = np.dtype([(n, "i4") for n in "rows H W from_h from_w step".split()])
_PARTS = 512  # blocks that sum a weight gradient: enough to keep all of a GPU at work


class Tile(NamedTuple):
    """What a block of threads makes at a time, and of that each thread."""

    BR: int
    BQ: int
    BK: int
    TR: int
    TQ: int

    @property
    def threads(self) -> int:
        """Of a block."""
        return self.BR // self.TR * (self.BQ // self.TQ)


@twin(ops.conv.Conv2d, "cupy")
class Conv2d(ops.conv.Conv2d):
    """The textbook's convolution in hand-written kernels; float32 alone."""

    def suits(self, x: Any, w: Array, b: Array | None) -> bool:
        return x.dtype == np.float32 and x.ndim == 4 and x.size > 0 and w.size > 0

    def forward(self, x: Array, w: Array, b: Array | None) -> Array:
        out = self.output_size(x, w, b)
        self.plan = plan(x.shape, w.shape, self.stride, self.padding, out)
        w = _contiguous(w)
        y = self.plan.forward(planes(x), w)
        if b is not None:
            y += b[:, None, None, None]
        self.save(x, w)
        return images(y)

    def backward(self, gy: Array) -> Gradients:
        x, w = self.saved
        g = planes(gy)
        gx = gw = gb = None
        if self.needs_grad[0]:
            gx = images(self.plan.input_gradient(g, w))
        if self.needs_grad[1]:
            gw = self.plan.weight_gradient(planes(x), g)
        if self.needs_grad[2]:
            gb = g.sum(axis=(1, 2, 3))
        return gx, gw, gb
