"""The residual join and the ReLU after it, in one pass over the batch each way."""

from typing import Any

from ... import ops
from ...autograd import Gradients, add_gradients
from ...backend import Array, Promise, settled
from ...modes import twin
from .layout import rows
from .maps import Combination, Gated, Maps, combination, in_rows, is_combination


@twin(ops.arithmetic.Add, "numpy")
class Add(ops.arithmetic.Add):
    """The textbook's addition, of maps of one shape: promised, for a ReLU to compute."""

    takes_promises = True

    def suits(self, a: Any, b: Any) -> bool:
        return a.shape == b.shape and is_combination(a) and is_combination(b)

    def forward(self, a: Any, b: Any) -> Any:
        return _summand(a) + _summand(b)

    def backward(self, gy: Any) -> Gradients:
        if isinstance(gy, Maps):
            gy.shared = True
        return gy, gy


def _summand(x: Any) -> Combination:
    """x as a term of a sum. A sum itself is computed first: otherwise the shortcuts of a long net
    would add up terms without end, in another order each time somebody looks."""
    return combination(x.array() if isinstance(x, Combination) and len(x.terms) > 1 else x)


@twin(ops.relu.ReLU, "numpy")
class ReLU(ops.relu.ReLU):
    """The textbook's rectifier, of maps, computed together with what they were promised from."""

    takes_promises = True

    def suits(self, x: Any) -> bool:
        return is_combination(x)

    def forward(self, x: Any) -> Array:
        y = combination(x).rectified().compute()
        self.save(y)
        return y

    def backward(self, gy: Any) -> Gradients:
        (y,) = self.saved
        return Gated(in_rows(gy), rows(y), len(y))


@twin(add_gradients, "numpy")
def add(a: Array | Promise, b: Array | Promise) -> Array | Promise:
    """The sum of two gradients; of maps, a promise."""
    if len(a.shape) != 4:
        return settled(a) + settled(b)
    return Combination([(rows(settled(g)), None) for g in (a, b)], None, a.shape[0])
