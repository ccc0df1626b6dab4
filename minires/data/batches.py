"""Batches of a dataset: an epoch each time they are gone through, as a DataLoader yields."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..backend import Array

if TYPE_CHECKING:
    from .dataset import Dataset


class Batches:
    """The training images of a dataset, a batch at a time; its length is the number of batches.

    Each time they are gone through is an epoch. Shuffled, images come in another order in each,
    and augmented; otherwise as they are, in their order.
    """

    def __init__(self, dataset: "Dataset", batch_size: int, shuffle: bool, seed: int) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return -(-self.dataset.train_size // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        if self.shuffle:
            self.epoch += 1
            return self.dataset.training_batches(self.batch_size, self.seed, self.epoch - 1)
        return self._in_order()

    def _in_order(self) -> Iterator[tuple[Array, Array]]:
        d = self.dataset
        for start in range(0, d.train_size, self.batch_size):
            part = slice(start, start + self.batch_size)
            yield d.inputs(d.train_images[part]), d.train_labels[part]
