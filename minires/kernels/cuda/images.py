"""Augmented batches of a dataset in the GPU's memory, in one kernel; see images.cu.

Not measured on a GPU yet.
"""

import numpy as np

from ...backend import Array, load
from ...ops.augment import Draws, training_batch
from ..registry import register
from .launch import over
from .layout import empty, images


@register(training_batch, "cupy")
def cuda_training_batch(
    pixels: Array, labels: Array, mean: Array | None, draws: Draws, shift: int, white: int
) -> tuple[Array, Array]:
    """Return an augmented batch; what chance decided about it goes to the GPU in one copy."""
    if mean is None:
        return training_batch(pixels, labels, mean, draws, shift, white)
    xp = load("cupy")
    pixels, mean = map(xp.ascontiguousarray, (pixels, mean))
    drawn = xp.asarray(np.stack(draws, dtype=np.int64))
    N = drawn.shape[1]
    C, H, W = pixels.shape[1:]
    x = empty((C, H, W, N))
    sizes = (C, H, W, N, shift, float(white))
    over("images", "training_batch", x.size, pixels, mean, drawn, x, *sizes)
    return images(x), labels[drawn[0]]
