"""Batches of a dataset that lies on a GPU, in one kernel; see cuda/images.cu."""

import numpy as np

from ...backend import Array, load
from ...data.dataset import Dataset, Epoch
from ...data.dataset import training_batch as textbook_batch
from ...modes import twin
from .launch import over
from .layout import empty, images


@twin(textbook_batch, "cupy")
def training_batch(dataset: Dataset, epoch: Epoch, batch: slice) -> tuple[Array, Array]:
    """The textbook's batch; what chance decided about it goes to the GPU in one copy."""
    if not dataset.standardised:
        return textbook_batch(dataset, epoch, batch)
    values = (epoch.order, epoch.down, epoch.right, epoch.flipped)
    xp = load("cupy")
    pictures, mean = map(xp.ascontiguousarray, (dataset.train_images, dataset.mean))
    drawn = xp.asarray(np.stack([v[batch] for v in values], dtype=np.int64))
    N = drawn.shape[1]
    C, H, W = pictures.shape[1:]
    x = empty((C, H, W, N))
    sizes = (C, H, W, N, dataset.shift, float(dataset.white))
    over("images", "training_batch", x.size, pictures, mean, drawn, x, *sizes)
    return images(x), dataset.train_labels[drawn[0]]
