"""What a net takes each validation picture for."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...backend import Array
from ...models.resnet import ResNet
from ..activation import look
from ..pictures import Pictures


class Outcome(NamedTuple):
    """One picture: its path, its class, what the net took it for, and how sure it was of that."""

    path: str
    label: int
    guess: int
    probability: float


def validate(net: ResNet, pictures: Pictures) -> list[Outcome]:
    """The outcome of each validation picture, in their order; `net` is in evaluation."""
    probabilities = [look(net, x).probabilities for x, _ in pictures.testing_batches()]
    val = pictures.folder.val
    return [
        Outcome(path, label, int(p.argmax()), float(p.max()))
        for path, label, p in zip(val.paths, val.labels, np.concatenate(probabilities), strict=True)
    ]


def confusion_matrix(outcomes: Sequence[Outcome], num_classes: int) -> Array:
    """How many pictures of class i, a row, were taken for class j, a column: int64 (C, C)."""
    matrix = np.zeros((num_classes, num_classes), np.int64)
    for outcome in outcomes:
        matrix[outcome.label, outcome.guess] += 1
    return matrix
