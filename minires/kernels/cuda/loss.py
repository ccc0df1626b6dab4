"""Cross-entropy on a GPU, with its gradient: one kernel of one block.

Not measured on a GPU yet.
"""

from typing import Any

from ... import ops
from ...backend import Array, is_captured, load
from ...ops import Gradients, checks
from ..registry import Kernel, register
from .launch import launch
from .layout import empty, images, planes


@register(ops.CrossEntropy, "cupy")
class CudaCrossEntropy(Kernel):
    """Cross-entropy of labels in int64.

    While a CUDA graph is captured the labels cannot be read; one that is no class then makes the
    loss NaN instead of raising an error, and the training loop looks for it.
    """

    def suits(self, op: ops.CrossEntropy, x: Any) -> bool:
        return x.dtype == "float32" and op.labels.dtype == "int64"

    def check(self, op: ops.CrossEntropy, x: Any) -> None:
        if is_captured(x):
            checks.logits(op, x)
        else:
            op.check(x)

    def forward(self, op: ops.CrossEntropy, x: Array) -> Array:
        N, C = x.shape
        gx, loss = empty((C, N)), empty(())
        labels = load("cupy").ascontiguousarray(op.labels)
        smoothing = float(op.label_smoothing)
        launch("loss", "cross_entropy", (1,), planes(x), labels, gx, loss, N, C, smoothing)
        op.save(gx)
        return loss

    def backward(self, op: ops.CrossEntropy, gy: Array) -> Gradients:
        (gx,) = op.saved
        return images(gy * gx)
