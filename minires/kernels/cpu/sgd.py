"""The update of a large parameter by SGD, tile by tile: one way through memory, not six."""

import numpy as np

from ...backend import Array
from ...modes import twin
from ...optim import update as textbook_update
from .layout import is_dense
from .memory import empty
from .threads import spread

_TILE = 1 << 15  # elements of w, v and g that stay in cache
_LARGE = 1 << 17  # elements; smaller parameters are in cache as they are


@twin(textbook_update, "numpy")
def update(w: Array, v: Array, g: Array, lr: float, momentum: float, weight_decay: float) -> None:
    """The textbook's update, operation for operation, so that every bit is the same."""
    if w.size < _LARGE or not w.strides == v.strides == g.strides or not is_dense(w):
        textbook_update(w, v, g, lr, momentum, weight_decay)
        return
    w_flat, v_flat, g_flat = (a.ravel(order="K") for a in (w, v, g))  # in memory's own order

    def work(start: int, stop: int) -> None:
        spare = empty((_TILE,), w.dtype)
        for tile in range(start, stop):
            part = slice(tile * _TILE, (tile + 1) * _TILE)
            wt, vt = w_flat[part], v_flat[part]
            product = spare[: len(wt)]
            np.multiply(vt, momentum, out=vt)
            np.add(vt, g_flat[part], out=vt)
            np.multiply(wt, weight_decay, out=product)
            np.add(vt, product, out=vt)
            np.multiply(vt, lr, out=product)
            np.subtract(wt, product, out=wt)

    spread(work, -(-w.size // _TILE), 3 * w.size)
