"""Batches to go through once an epoch, with a length: what a DataLoader is in PyTorch."""

from collections.abc import Callable, Iterator

from ..backend import Array

Epoch = Iterator[tuple[Array, Array]]


class Batches:
    """Batches of images and labels; each time they are gone through is the next epoch.

    Args:
        epoch: returns the batches of the epoch with this number, from 0 on.
        length: how many batches an epoch has.
    """

    def __init__(self, epoch: Callable[[int], Epoch], length: int) -> None:
        self.epoch = epoch
        self.length = length
        self.epochs = 0

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Epoch:
        self.epochs += 1
        return self.epoch(self.epochs - 1)
