"""The fully connected layer with its products shared out over our threads."""

import numpy as np

from ... import ops
from ...autograd import Gradients
from ...backend import Array
from ...modes import twin
from .gemm import effort
from .memory import empty
from .threads import spread


@twin(ops.matmul.Linear, "numpy")
class Linear(ops.matmul.Linear):
    """The textbook's layer. A BLAS that is left to wake threads of its own does not let them
    sleep for a while, and they would take the cores from ours in the operations that follow.
    """

    def forward(self, x: Array, w: Array, b: Array | None) -> Array:
        self.expect_inputs(x, w, b)
        self.save(x, w)
        y = _product(x, w.T)
        if b is not None:
            y += b
        return y

    def backward(self, gy: Array) -> Gradients:
        x, w = self.saved
        gx = _product(gy, w) if self.needs_grad[0] else None
        return gx, _product(gy.T, x), gy.sum(axis=0)


def _product(a: Array, b: Array) -> Array:
    """a b, each thread some columns: (I, J) (J, K) -> (I, K)."""
    y = empty((len(a), b.shape[1]), np.result_type(a, b))

    def work(start: int, stop: int) -> None:
        np.matmul(a, b[:, start:stop], out=y[:, start:stop])

    spread(work, b.shape[1], effort(y.size, a.shape[1]) + b.size)
    return y
