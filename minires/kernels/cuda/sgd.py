"""The update of parameters by SGD on a GPU: one kernel for all of them; see sgd.cu.

Not measured on a GPU yet.
"""

from typing import Any

import numpy as np

from ...backend import Array, backend_name, is_array, is_dense
from ...ops.update import Change, update, update_all
from ..registry import register
from .launch import launch
from .layout import address

_MOST = 126  # parameters a launch: 32 bytes each go along as its argument, which has 4096 at most
_BLOCKS = 32  # of threads for each parameter, which go through it together

_PARAMETER = np.dtype([("w", "u8"), ("v", "u8"), ("g", "u8"), ("size", "i8")])


@register(update_all, "cupy")
def cuda_update_all(changes: list[Change], lr: Any, momentum: float, weight_decay: float) -> None:
    """Update all parameters; `lr` may be a number on the GPU, as a captured step has it."""
    in_memory, rate = (lr, 0.0) if is_array(lr) else (None, float(lr))
    settings = (in_memory, rate, float(momentum), float(weight_decay))
    together = [change for change in changes if _suits(*change)]
    for start in range(0, len(together), _MOST):
        part = together[start : start + _MOST]
        grid = (_BLOCKS, len(part))
        launch("sgd", "update", grid, _table(part), *settings, MOST=_MOST)
    for change in changes:
        if not _suits(*change):
            update(*change, lr, momentum, weight_decay)


def _suits(w: Array, v: Array, g: Array) -> bool:
    """Return whether all three are float32 on the GPU, and lie in the same order without gaps."""
    on_gpu = backend_name(w) == "cupy" and w.dtype == np.float32
    return on_gpu and w.strides == v.strides == g.strides and is_dense(w)


def _table(part: list[Change]) -> Array:
    """Return the structure Parameters of sgd.cu."""
    table = np.zeros((), [("of", _PARAMETER, _MOST)])
    for n, (w, v, g) in enumerate(part):
        table["of"][n] = (*map(address, (w, v, g)), w.size)
    return table
