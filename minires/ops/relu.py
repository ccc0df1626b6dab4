"""The rectified linear unit, ReLU."""

from ..backend import Array, array_module
from .op import Gradients, Op


class ReLU(Op):
    """y = max(x, 0).  gx = gy, but 0 where y ≤ 0: at the kink and below it.

    A NaN is not ≤ 0: it stays in y, and its gradient passes. Saves y, which the next layer needs
    anyway, so that it costs no memory of its own.
    """

    def forward(self, x: Array) -> Array:
        y: Array = array_module(x).maximum(x, 0)
        self.save(y)
        return y

    def backward(self, gy: Array) -> Gradients:
        (y,) = self.saved
        return array_module(y).where(y <= 0, 0, gy)  # and not gy · 0, NaN where gy is infinite
