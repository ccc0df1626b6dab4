"""Classify image files with a trained model."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..backend import Array
from ..errors import StateDictError, UsageError
from ..files import mistaken
from ..models import NetSpec, imagenet_net
from ..weights.loading import first_and_last, stored_tensors
from .cam import activation_figure, activation_map, predict
from .decoding import decode
from .folder_images import check_size
from .listing import files_in
from .transforms import middle, normalise, resize_shorter
from .weights import load_trained
from .worker_main import Task
from .workers import Workers

TOP = 5

_CLASSES = 1000  # of ImageNet, whose weights come without labels
_BATCH = 32
_MOST_BYTES = 1_000_000  # of a file of labels; those of ImageNet have 20,000
_LONGEST_LABEL = 1000
_FIGURE_SCALE = 2  # pixels a side in the figure for each of the model's input


class ClassScore(NamedTuple):
    """A class by number and name, and its probability."""

    label: int
    name: str
    probability: float


class Classification(NamedTuple):
    """What a model predicts for an image.

    Attributes:
        path: of the image.
        top: the classes with the highest probabilities, in descending order.
        activation: the class activation map of the first, (h, w); see `activation_map`.
    """

    path: Path
    top: list[ClassScore]
    activation: Array


class Classifier:
    """A model with its weights and the names of its classes.

    Args:
        model: a name, such as resnet18.
        weights: a file of them.
        labels: the names of the classes, in the order of the model's outputs; without, classes are
            numbers, 1000 of them.
        size: height and width of the model's input, in pixels.
        key: where in the file the weights are, see `load_weights`.

    Attributes:
        notices: sentences about what the file has beside the weights.

    Raises:
        UsageError: there is no such model, or a size below 32; as for `load_weights`.
        DataError: the file cannot be read.
        StateDictError: it holds the weights of another model, or for another number of classes.
    """

    def __init__(
        self,
        model: str,
        weights: Path,
        labels: Sequence[str] | None = None,
        size: int = 224,
        key: str | None = None,
    ) -> None:
        NetSpec.parse(model, "imagenet")
        check_size(size)
        classes = _CLASSES if labels is None else len(labels)
        what = f"the weights of {model} with {classes} classes" + (
            "; if there are others, name them with --labels" if labels is None else ""
        )
        # Before the model is made, whose last layer might not fit into memory.
        _, found = first_and_last(stored_tensors(weights, key)[0])
        if found not in (classes, None):
            raise StateDictError(f"{weights} does not hold {what}: fc.weight is for {found}")
        self.model = imagenet_net(model, classes)
        self.notices = load_trained(self.model, weights, key, what)
        self.model.eval()
        self.labels = [f"class {i}" for i in range(classes)] if labels is None else labels
        self.size = size

    def classify(self, paths: Sequence[Path], workers: Workers) -> Iterator[Classification]:
        """Yield the classification of each image, in their order.

        Raises:
            DataError: an image cannot be decoded; names the file.
        """
        batches = [paths[k : k + _BATCH] for k in range(0, len(paths), _BATCH)]
        tasks: Iterator[Task] = (
            {"do": "evaluate", "paths": [str(path) for path in batch], "size": self.size}
            for batch in batches
        )
        for batch, images in zip(batches, workers.results(tasks), strict=True):
            prediction = predict(self.model, normalise(images))
            for path, p, maps in zip(
                batch, prediction.probabilities, prediction.feature_maps, strict=True
            ):
                best = (-p).argsort(kind="stable")[:TOP].tolist()
                top = [ClassScore(i, self.labels[i], float(p[i])) for i in best]
                yield Classification(path, top, activation_map(self.model, maps, best[0]))

    def figure(self, classification: Classification) -> bytes:
        """Draw an image with the activation map of its most probable class over it: a PNG."""
        size = _FIGURE_SCALE * self.size
        image = resize_shorter(decode(classification.path, size), size)
        box = middle(image, size)
        return activation_figure(image, box, classification.activation, *classification.top[0])


def read_labels(path: Path) -> list[str]:
    """Return the names of classes in a file, one a line.

    Raises:
        UsageError: no such file, not UTF-8 text, or something else than names; too large; no
            names, an empty line between others, or a line longer than a name.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"the labels in {path} cannot be read: {reason}") from error
    if what := mistaken(content):
        raise UsageError(f"{path} is {what}; expected names of classes, one a line")
    if len(content) > _MOST_BYTES:
        raise UsageError(f"{path} has more than the {_MOST_BYTES:,} bytes that labels may have")
    labels = [line.strip() for line in text.rstrip().splitlines()]
    if not labels:
        raise UsageError(f"{path} holds no labels; expected one name a line")
    for number, label in enumerate(labels, start=1):
        if not 0 < len(label) <= _LONGEST_LABEL:
            wrong = f"a label of {len(label):,} characters" if label else "a label is missing"
            raise UsageError(f"{path}, line {number}: {wrong}")
    return labels


def image_files(paths: Sequence[Path]) -> list[Path]:
    """Return files as they are, and all files in folders.

    Raises:
        UsageError: a path does not exist, or a folder has no file.
    """
    files = []
    for path in paths:
        if not os.path.exists(path):
            raise UsageError(f"there is no image {path}")
        inside = files_in(path) if os.path.isdir(path) else [path]
        if not inside:
            raise UsageError(f"there is no image in {path}")
        files += inside
    return files
