"""Matrix products: y = a b, and the fully connected layer y = x wᵀ + b."""

from ..autograd import Gradients, Op
from ..backend import Array
from ..errors import ShapeError, expect
from .arithmetic import broadcasts, unbroadcast


class Matmul(Op):
    """y = a b over the last two dimensions; those before them broadcast.

    (..., I, J) (..., J, K) -> (..., I, K).  ga = gy bᵀ, gb = aᵀ gy.  Saves a and b.
    """

    def forward(self, a: Array, b: Array) -> Array:
        expect(
            a.ndim >= 2
            and b.ndim >= 2
            and a.shape[-1] == b.shape[-2]
            and broadcasts(a.shape[:-2], b.shape[:-2]),
            ShapeError,
            f"matmul got shapes {a.shape} and {b.shape}; expected (..., I, J) and (..., J, K)",
        )
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

    def forward(self, x: Array, w: Array, b: Array | None) -> Array:
        self.expect_inputs(x, w, b)
        self.save(x, w)
        y = x @ w.T
        return y if b is None else y + b

    @staticmethod
    def expect_inputs(x: Array, w: Array, b: Array | None) -> None:
        """Refuse shapes that do not fit."""
        expect(
            x.ndim == 2 and w.ndim == 2 and x.shape[1] == w.shape[1],
            ShapeError,
            f"linear got x of shape {x.shape} and w of shape {w.shape}; expected (N, I) and (O, I)",
        )
        if b is not None:
            expect(
                b.shape == w.shape[:1],
                ShapeError,
                f"linear got b of shape {b.shape} for w of shape {w.shape}; expected {w.shape[:1]}",
            )

    def backward(self, gy: Array) -> Gradients:
        x, w = self.saved
        gx = gy @ w if self.needs_grad[0] else None
        return gx, gy.T @ x, gy.sum(axis=0)
