"""The two operations of the parameter-free shortcut on a GPU, with the batch innermost.

Not measured on a GPU yet.
"""

from typing import Any

from ... import ops
from ...backend import Array
from ...ops import Gradients
from ..registry import Kernel, register
from .layout import are_maps, empty, images


@register(ops.Pad, "cupy")
class CudaPad(Kernel):
    """Padding of feature maps."""

    def suits(self, op: ops.Pad, x: Any) -> bool:
        return are_maps(x)

    def forward(self, op: ops.Pad, x: Array) -> Array:
        sizes = zip(op.widths, x.shape, strict=True)
        N, C, H, W = (before + size + after for (before, after), size in sizes)
        y = images(empty((C, H, W, N)))
        y[...] = op.value
        y[op.inside] = x
        return y


@register(ops.Index, "cupy")
class CudaIndex(Kernel):
    """Indexing of feature maps by slices."""

    def suits(self, op: ops.Index, x: Any) -> bool:
        return are_maps(x) and not op.may_repeat

    def backward(self, op: ops.Index, gy: Array) -> Gradients:
        N, C, H, W = op.input_shapes[0]
        gx = images(empty((C, H, W, N)))
        gx[...] = 0
        gx[op.key] = gy
        return gx
