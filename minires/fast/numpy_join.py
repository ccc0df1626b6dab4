"""The residual join and the ReLU after it, in one pass over the batch."""

import numpy as np

from .. import ops
from ..backend import Array, Promise
from ..engine import Gradients, gradient_sums, twin
from .layout import images, rows
from .maps import Combination, combination, tile_of, tiles
from .memory import empty
from .threads import spread


@twin(ops.arithmetic.Add, "numpy")
class Add(ops.arithmetic.Add):
    """The textbook's addition, of maps of one shape: promised, for a ReLU to compute."""

    takes_promises = True

    def suits(self, a: Array | Promise, b: Array | Promise) -> bool:
        return a.shape == b.shape and None not in (combination(a), combination(b))

    def forward(self, a: Array | Promise, b: Array | Promise) -> Promise:
        return combination(a) + combination(b)


@twin(ops.relu.ReLU, "numpy")
class ReLU(ops.relu.ReLU):
    """The textbook's rectifier, of maps, computed together with what they were promised from."""

    takes_promises = True

    def suits(self, x: Array | Promise) -> bool:
        return combination(x) is not None

    def forward(self, x: Array | Promise) -> Array:
        y = combination(x).rectified()
        self.save(y)
        return y

    def backward(self, gy: Array) -> Gradients:
        (y,) = self.saved
        return images(gated(rows(gy), rows(y)), len(y))


def gated(g: Array, y: Array) -> Array:
    """g where y > 0, and 0 elsewhere: (H, C, L), (H, C, L) -> (H, C, L).

    With the sign bit of 0 − y spread over a whole number as a mask; `where` takes ten times as
    long, and g · (y > 0) is NaN where g is infinite.
    """
    gx = empty(g.shape, g.dtype)
    zeros = np.zeros(g.shape[2], g.dtype)
    whole = np.dtype(f"i{g.itemsize}")
    bits = 8 * g.itemsize - 1

    def work(start: int, stop: int) -> None:
        for tile in tiles(g.shape, start, stop):
            part = gx[tile]
            mask = part.view(whole)
            np.subtract(zeros, y[tile], out=part)
            np.right_shift(mask, bits, out=mask)
            np.bitwise_and(mask, g[tile].view(whole), out=mask)

    spread(work, g.shape[1], g.size)
    return gx


def add(a: Array, b: Array) -> Array:
    """The sum of two gradients."""
    if a.ndim != 4:
        return a + b
    terms = [(rows(a), None), (rows(b), None)]
    return Combination(terms, None, len(a)).compute()


gradient_sums["numpy"] = add
