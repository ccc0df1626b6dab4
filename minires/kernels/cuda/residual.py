"""Residual addition and the ReLU after it on a GPU, in one pass over the batch each way.

Not measured on a GPU yet.
"""

from typing import Any

from ... import ops
from ...backend import Array
from ...ops import Gradients
from ...ops.arithmetic import add_gradients
from ..lazy import realized
from ..registry import Kernel, register
from .conv import LazyInputGradient
from .layout import are_maps, images, planes
from .maps import Combination, Masked, combination, unmasked


@register(ops.Add, "cupy")
class CudaAdd(Kernel):
    """Addition of feature maps of one shape: lazy, for a ReLU to compute."""

    takes_lazy = True

    def suits(self, op: ops.Add, a: Any, b: Any) -> bool:
        return a.shape == b.shape and are_maps(a)

    def forward(self, op: ops.Add, a: Any, b: Any) -> Any:
        return combination(a).plus(combination(b))

    def backward(self, op: ops.Add, gy: Any) -> Gradients:
        return gy, gy


@register(ops.ReLU, "cupy")
class CudaReLU(Kernel):
    """The ReLU of feature maps, computed in one pass with the lazy maps it takes, or lazy too."""

    takes_lazy = True

    def suits(self, op: ops.ReLU, x: Any) -> bool:
        return are_maps(x)

    def forward(self, op: ops.ReLU, x: Any) -> Any:
        lazy = isinstance(x, Combination) and not x.is_realized
        y = (x if lazy else combination(x)).rectified()
        op.save(y)
        return y

    def backward(self, op: ops.ReLU, gy: Any) -> Gradients:
        (y,) = op.saved
        masked: Any = Masked(planes(realized(gy)), y)
        return masked


@register(add_gradients, "cupy")
def add(a: Any, b: Any) -> Array:
    """Return the sum of two gradients; of feature maps, with the ReLU mask that one is behind.

    A convolution's adds the other one as it is written.
    """
    if not are_maps(a):
        return realized(a) + realized(b)
    for one, other in ((a, b), (b, a)):
        if isinstance(one, LazyInputGradient) and not one.is_realized:
            return one.plus(*unmasked(other))
    for one, other in ((a, b), (b, a)):
        if isinstance(one, Masked) and not one.is_realized:
            return one.plus(planes(realized(other)))
    return images(planes(realized(a)) + planes(realized(b)))
