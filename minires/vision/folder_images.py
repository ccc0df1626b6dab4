"""The images of a folder as batches for training and validation."""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import numpy as np

from ..backend import Array
from ..errors import UsageError
from .folders import ImageFolder, Part
from .transforms import normalise
from .worker_main import Task
from .workers import Workers

WORKERS = 2  # decode several hundred images of 500x375 pixels a second
MIN_SIZE = 32  # at which the last stage's feature maps have one pixel

_TEST_BATCH = 32  # at 224x224 the first feature maps of so many take 100 MB
_FILES_PER_CHECK = 16


def problems(workers: Workers, paths: Sequence[str]) -> list[str | None]:
    """Return for each file why it cannot be decoded, or None; all are decoded once."""
    n = _FILES_PER_CHECK
    tasks = ({"do": "problems", "paths": paths[k : k + n]} for k in range(0, len(paths), n))
    return [problem for part in workers.results(tasks) for problem in part]


def check_size(size: int) -> None:
    """Raise UsageError unless images of this height and width can go through a model."""
    if size < MIN_SIZE:
        raise UsageError(f"size must be at least {MIN_SIZE}, got {size}")


class FolderImages:
    """The images of a folder, decoded in worker processes before they are needed.

    For training a random crop of each, mirrored half of the time; for validation, and for training
    without `augment`, the middle. A context manager, which ends the processes.

    Args:
        folder: the files and their classes; see `image_folder`.
        size: height and width of the model's input, in pixels.
        augment: whether training images are cropped and mirrored at random.
        workers: number of processes that decode; the images do not depend on it. With 0 this
            process decodes.

    Attributes:
        waited: seconds spent waiting for images so far.

    Raises:
        UsageError: a size below 32, or workers below 0.
    """

    def __init__(
        self, folder: ImageFolder, size: int = 224, augment: bool = True, workers: int = WORKERS
    ) -> None:
        check_size(size)
        self.folder = folder
        self.size = size
        self.augment = augment
        self.workers = Workers(workers)
        self.waited = 0.0

    @property
    def train_size(self) -> int:
        """Return the number of images in an epoch."""
        return len(self.folder.train)

    def order(self, seed: int, epoch: int) -> Array:
        """Return the order of the training images in an epoch, int64 (train_size,)."""
        return np.random.default_rng([seed, epoch]).permutation(self.train_size)

    def training_batches(
        self, batch_size: int, seed: int, epoch: int, first: int = 0
    ) -> Iterator[tuple[Array, Array]]:
        """Yield an epoch's images, float32 (B, 3, size, size), and labels, int64 (B,).

        What is random depends only on the seed, the epoch and the index in it, so that an epoch
        can begin at its batch number `first`.

        Raises:
            DataError: an image cannot be read; names the file.
        """
        order = self.order(seed, epoch)
        starts = range(first * batch_size, self.train_size, batch_size)
        random = {"do": "train", "seed": seed, "epoch": epoch}
        return self._batches(
            self.folder.train,
            [order[start : start + batch_size] for start in starts],
            [{**random, "start": s} if self.augment else {"do": "evaluate"} for s in starts],
        )

    def testing_batches(self) -> Iterator[tuple[Array, Array]]:
        """Yield the middles of the validation images and labels; as `training_batches`."""
        return self.in_order(self.folder.val)

    def in_order(self, part: Part) -> Iterator[tuple[Array, Array]]:
        """Yield the middles of a part's images in the order of its files, and labels."""
        n = len(part)
        indices = np.split(np.arange(n), range(_TEST_BATCH, n, _TEST_BATCH))
        return self._batches(part, indices, [{"do": "evaluate"}] * len(indices))

    def problems(self) -> dict[str, str]:
        """Decode all files once; return those that cannot be decoded, and why."""
        paths = self.folder.paths
        found = problems(self.workers, self._absolute(paths))
        return {path: reason for path, reason in zip(paths, found, strict=True) if reason}

    def close(self) -> None:
        """End the worker processes."""
        self.workers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _batches(
        self, part: Part, indices: list[Array], settings: list[dict[str, Any]]
    ) -> Iterator[tuple[Array, Array]]:
        """Yield a batch for each array of indices into a part, decoded as its settings say."""
        tasks: Iterator[Task] = (
            {**how, "paths": self._absolute([part.paths[i] for i in batch]), "size": self.size}
            for how, batch in zip(settings, indices, strict=True)
        )
        labels = np.array(part.labels, np.int64)
        images = self.workers.results(tasks)
        for batch in indices:
            started = time.perf_counter()
            decoded = next(images)
            self.waited += time.perf_counter() - started
            yield normalise(decoded), labels[batch]

    def _absolute(self, paths: Iterable[str]) -> list[str]:
        return [str(self.folder.root / path) for path in paths]
