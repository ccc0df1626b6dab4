"""The residual join and the ReLU after it, in one pass over the batch each way."""

from .. import ops
from ..backend import Array, Promise, settled
from ..engine import Gradients, add_gradients, twin
from .layout import rows
from .maps import Combination, Gated, Maps, combination, in_rows


@twin(ops.arithmetic.Add, "numpy")
class Add(ops.arithmetic.Add):
    """The textbook's addition, of maps of one shape: promised, for a ReLU to compute."""

    takes_promises = True

    def suits(self, a: Array | Promise, b: Array | Promise) -> bool:
        return a.shape == b.shape and None not in (combination(a), combination(b))

    def forward(self, a: Array | Promise, b: Array | Promise) -> Promise:
        return combination(a) + combination(b)

    def backward(self, gy: Array | Promise) -> Gradients:
        if isinstance(gy, Maps):
            gy.shared = True
        return gy, gy


@twin(ops.relu.ReLU, "numpy")
class ReLU(ops.relu.ReLU):
    """The textbook's rectifier, of maps, computed together with what they were promised from."""

    takes_promises = True

    def suits(self, x: Array | Promise) -> bool:
        return combination(x) is not None

    def forward(self, x: Array | Promise) -> Array:
        y = combination(x).rectified().compute()
        self.save(y)
        return y

    def backward(self, gy: Array | Promise) -> Gradients:
        (y,) = self.saved
        return Gated(in_rows(gy), rows(y), len(y))


@twin(add_gradients, "numpy")
def add(a: Array | Promise, b: Array | Promise) -> Array | Promise:
    """The sum of two gradients; of maps, a promise."""
    if len(a.shape) != 4:
        return settled(a) + settled(b)
    terms = [(rows(settled(g)), None) for g in (a, b)]
    return Combination(terms, None, a.shape[0])
