"""The linear layer on a GPU: a convolution, with kernels and feature maps of one pixel.

Not measured on a GPU yet.
"""

from typing import Any

import numpy as np

from ... import ops
from ...backend import Array
from ...modes import modes
from ...ops import Gradients
from ..lazy import realized
from ..registry import Kernel, register
from .conv import plan
from .layout import are_counted, images, planes


@register(ops.Linear, "cupy")
class CudaLinear(Kernel):
    """A linear layer: a convolution of feature maps of one pixel.

    CuPy would ask cuBLAS, which cannot be captured in a CUDA graph.
    """

    fresh = True

    def suits(self, op: ops.Linear, x: Any, w: Array, b: Array | None) -> bool:
        return x.dtype == np.float32 and are_counted(x.size, w.size, x.shape[0] * w.shape[0])

    def forward(self, op: ops.Linear, x: Array, w: Array, b: Array | None) -> Array:
        pixel = (1, 1)
        p = plan((*x.shape, *pixel), (*w.shape, *pixel), pixel, (0, 0), modes.tf32)
        X, kernel = _pixel(planes(x)), _kernel(w)
        op.save(X, kernel, p)
        return images(p.forward((X, None, None), kernel, b)[:, 0, 0])

    def backward(self, op: ops.Linear, gy: Array) -> Gradients:
        X, kernel, p = op.saved
        gx, gw, gb = p.backward((X, None, None), kernel, _pixel(planes(gy)), op.needs_grad)
        gx = None if gx is None else gx.realize()[:, :, 0, 0]
        return gx, None if gw is None else realized(gw)[:, :, 0, 0], gb


def _pixel(p: Array) -> Array:
    """(C, N) -> (C, 1, 1, N)."""
    return p[:, None, None]


def _kernel(w: Array) -> Array:
    """(O, I) -> (O, I, 1, 1)."""
    return w[:, :, None, None]
