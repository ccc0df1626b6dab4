"""What a fine-tuning run has measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...backend import Array
from ...models.resnet import ResNet
from ...train import Row
from ..cam import predict
from ..folder_images import FolderImages
from ..folders import ImageFolder
from .config import FinetuneConfig


class Outcome(NamedTuple):
    """A validation image: path, class, predicted class, and the probability of the latter."""

    path: str
    label: int
    predicted: int
    probability: float


@dataclass(frozen=True)
class Result:
    """The state of a run, finished or not.

    Attributes:
        config: its settings.
        folder: the images that can be decoded.
        left_out: the reasons why other files cannot be decoded, by path.
        rows: one for each epoch so far.
        outcomes: of the validation images with the best weights, once the run has finished.
        seconds: since the run was started or resumed.
        waited: how many of them were spent waiting for images.
    """

    config: FinetuneConfig
    folder: ImageFolder
    left_out: dict[str, str]
    rows: Sequence[Row]
    outcomes: Sequence[Outcome]
    seconds: float
    waited: float

    @property
    def confusion(self) -> Array:
        """Return how many images of class i, a row, were predicted as class j: int64 (C, C)."""
        matrix = np.zeros((len(self.folder.classes),) * 2, np.int64)
        for outcome in self.outcomes:
            matrix[outcome.label, outcome.predicted] += 1
        return matrix

    @property
    def mistakes(self) -> list[Outcome]:
        """Return the wrong outcomes, in descending order of probability."""
        wrong = [outcome for outcome in self.outcomes if outcome.predicted != outcome.label]
        return sorted(wrong, key=lambda outcome: -outcome.probability)


def best_row(rows: Sequence[Row]) -> Row:
    """Return the first row with the lowest validation error."""
    return min(rows, key=lambda row: row.test_error)


def validate(model: ResNet, images: FolderImages) -> list[Outcome]:
    """Return the outcome of each validation image, in their order.

    Args:
        model: in evaluation mode.
        images: their folder.
    """
    probabilities = [predict(model, x).probabilities for x, _ in images.testing_batches()]
    val = images.folder.val
    return [
        Outcome(path, label, int(p.argmax()), float(p.max()))
        for path, label, p in zip(val.paths, val.labels, np.concatenate(probabilities), strict=True)
    ]
