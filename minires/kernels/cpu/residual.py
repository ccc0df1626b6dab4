"""Residual addition and the ReLU after it, in one pass over the batch each way.

After a batch norm of resnet-20 with 16 channels at batch 128, forward and backward of all three
(CPU time, one thread, AMD EPYC), 2.1 times the reference's speed; a ReLU alone 2.4 times.
"""

from typing import Any

from ... import ops
from ...backend import Array
from ...ops import Gradients
from ...ops.arithmetic import add_gradients
from ..lazy import realized
from ..registry import Kernel, register
from .layout import rows
from .maps import Combination, LazyMaps, Masked, combination, in_rows, is_combination


@register(ops.Add, "numpy")
class CpuAdd(Kernel):
    """Addition of feature maps of one shape: lazy, for a ReLU to compute."""

    takes_lazy = True

    def suits(self, op: ops.Add, a: Any, b: Any) -> bool:
        return a.shape == b.shape and is_combination(a) and is_combination(b)

    def forward(self, op: ops.Add, a: Any, b: Any) -> Any:
        return _summand(a) + _summand(b)

    def backward(self, op: ops.Add, gy: Any) -> Gradients:
        if isinstance(gy, LazyMaps):
            gy.shared = True
        return gy, gy


def _summand(x: Any) -> Combination:
    """Return x as a term of a sum.

    A sum itself is computed first: otherwise the shortcuts of a deep net would add up terms
    without end, in another order each time a tensor between them is read.
    """
    return combination(x.realize() if isinstance(x, Combination) and len(x.terms) > 1 else x)


@register(ops.ReLU, "numpy")
class CpuReLU(Kernel):
    """The ReLU of feature maps, computed in one pass with the lazy maps it takes."""

    takes_lazy = True

    def suits(self, op: ops.ReLU, x: Any) -> bool:
        return is_combination(x)

    def forward(self, op: ops.ReLU, x: Any) -> Array:
        y = combination(x).rectified().compute()
        op.save(y)
        return y

    def backward(self, op: ops.ReLU, gy: Any) -> Gradients:
        (y,) = op.saved
        masked: Any = Masked(in_rows(gy), rows(y), len(y))
        return masked


@register(add_gradients, "numpy")
def add(a: Any, b: Any) -> Any:
    """Return the sum of two gradients; of feature maps, lazy."""
    if a.ndim != 4 or a.size == 0:
        return realized(a) + realized(b)
    return Combination([(rows(realized(g)), None) for g in (a, b)], None, a.shape[0])
