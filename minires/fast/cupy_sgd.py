"""The update of a parameter by SGD on a GPU: one kernel instead of six; see cuda/sgd.cu."""

from typing import Any

import numpy as np

from ..backend import Array, is_array
from ..context import twin
from ..optim import update as textbook_update
from .cuda import over
from .layout import is_dense


@twin(textbook_update, "cupy")
def update(w: Array, v: Array, g: Array, lr: Any, momentum: float, weight_decay: float) -> None:
    """The textbook's update; `lr` may be a number on the GPU, as a captured step has it."""
    if not (w.dtype == np.float32 and w.strides == v.strides == g.strides and is_dense(w)):
        textbook_update(w, v, g, lr, momentum, weight_decay)
        return
    in_memory, rate = (lr, 0.0) if is_array(lr) else (None, float(lr))
    over("sgd", "update", w.size, w, v, g, in_memory, rate, float(momentum), float(weight_decay))
