"""The residual join and the ReLU after it on a GPU, in one pass over the batch each way."""

from typing import Any

from ... import ops
from ...autograd import Gradients, add_gradients
from ...backend import Array, Promise, settled
from ...modes import twin
from .layout import are_maps, images, planes
from .maps import Combination, Gated, combination, gate_of


@twin(ops.arithmetic.Add, "cupy")
class Add(ops.arithmetic.Add):
    """The textbook's addition, of maps of one shape: promised, for a ReLU to compute."""

    takes_promises = True

    def suits(self, a: Any, b: Any) -> bool:
        return a.shape == b.shape and are_maps(a)

    def forward(self, a: Any, b: Any) -> Any:
        return combination(a).plus(combination(b))

    def backward(self, gy: Any) -> Gradients:
        return gy, gy


@twin(ops.relu.ReLU, "cupy")
class ReLU(ops.relu.ReLU):
    """The textbook's rectifier, of maps, computed together with what they were promised from."""

    takes_promises = True

    def suits(self, x: Any) -> bool:
        return are_maps(x)

    def forward(self, x: Any) -> Array:
        promised = isinstance(x, Combination) and not x.is_kept
        y = (x if promised else combination(x)).rectified()
        self.save(y)
        return y

    def backward(self, gy: Any) -> Gradients:
        (y,) = self.saved
        return Gated(planes(settled(gy)), planes(y))


@twin(add_gradients, "cupy")
def add(a: Array | Promise, b: Array | Promise) -> Array:
    """The sum of two gradients; of maps, together with the gate that one has to pass still."""
    if not are_maps(a):
        return settled(a) + settled(b)
    g, gate = gate_of(a)
    other = b
    if gate is None:
        other, (g, gate) = images(g), gate_of(b)
    if gate is None:
        return images(planes(settled(other)) + g)
    return Gated(g, gate).plus(planes(settled(other)))
