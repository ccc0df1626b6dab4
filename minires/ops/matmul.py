"""Matrix products: y = a b, and the fully connected layer y = x wᵀ + b."""

from ..backend import Array
from . import checks
from .arithmetic import unbroadcast
from .op import Gradients, Op


class Matmul(Op):
    """y = a b over the last two dimensions; those before them broadcast.

    (..., I, J) (..., J, K) -> (..., I, K).  ga = gy bᵀ, gb = aᵀ gy.  Saves a and b.
    """

    check = checks.matmul

    def forward(self, a: Array, b: Array) -> Array:
        self.save(a, b)
        return a @ b

    def backward(self, gy: Array) -> Gradients:
        a, b = self.saved
        ga = gy @ b.swapaxes(-1, -2)
        gb = a.swapaxes(-1, -2) @ gy
        return unbroadcast(ga, a.shape), unbroadcast(gb, b.shape)


class Linear(Op):
    """y = x wᵀ + b: (N, I), (O, I), (O,) -> (N, O).

    gx = gy w, gw = gyᵀ x, gb = Σ_n gy.  Saves x and w.
    """

    check = checks.linear
    optional = ("b",)

    def forward(self, x: Array, w: Array, b: Array | None) -> Array:
        self.save(x, w)
        y = x @ w.T
        return y if b is None else y + b

    def backward(self, gy: Array) -> Gradients:
        x, w = self.saved
        gx = gy @ w if self.needs_grad[0] else None
        return gx, gy.T @ x, gy.sum(axis=0)
