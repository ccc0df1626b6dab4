"""The pictures of a folder as batches for training and validation."""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import numpy as np

from ..backend import Array
from ..errors import UsageError, expect
from .folders import ImageFolder, Part
from .loading import Workers
from .transforms import normalised
from .worker import Task

WORKERS = 2  # decode several hundred photos of 500x375 pixels a second
LEAST_SIZE = 32  # whose maps have one pixel left in the last stage of a net

_TEST_BATCH = 32  # at 224x224 the first maps of so many take 100 MB
_LOOKED_AT = 16  # files a task


def problems(workers: Workers, paths: Sequence[str]) -> list[str]:
    """For each file what is wrong with it, "" if nothing is: all are decoded once."""
    shares = (paths[k : k + _LOOKED_AT] for k in range(0, len(paths), _LOOKED_AT))
    tasks = ({"do": "problems", "paths": list(share)} for share in shares)
    return [sentence for share in workers.results(tasks) for sentence in share]


class Pictures:
    """A folder's pictures, decoded in worker processes ahead of being needed.

    For training a random part of each, mirrored half of the time; for validation, and for training
    without `augment`, the middle. A context manager, which ends the processes; `close` does it too.

    Args:
        folder: the files and their classes; see `image_folder`.
        size: height and width of what a net sees.
        augment: whether chance has a part in training pictures.
        workers: processes that decode; what comes out does not depend on how many. With 0 this
            process decodes.

    Attributes:
        waited: seconds that were spent waiting for pictures so far.

    Raises:
        UsageError: a size below 32, or workers below 0.
    """

    def __init__(
        self, folder: ImageFolder, size: int = 224, augment: bool = True, workers: int = WORKERS
    ) -> None:
        expect(size >= LEAST_SIZE, UsageError, f"size must be at least {LEAST_SIZE}, got {size}")
        self.folder = folder
        self.size = size
        self.augment = augment
        self.workers = Workers(workers)
        self.waited = 0.0

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the labels 0, 1, ..."""
        return self.folder.classes

    @property
    def train_size(self) -> int:
        """How many pictures an epoch has."""
        return len(self.folder.train)

    def order(self, seed: int, epoch: int) -> Array:
        """Which picture comes when in an epoch, int64 (train_size,)."""
        return np.random.default_rng([seed, epoch]).permutation(self.train_size)

    def training_batches(
        self, batch_size: int, seed: int, epoch: int, first: int = 0
    ) -> Iterator[tuple[Array, Array]]:
        """An epoch's pictures, float32 (B, 3, size, size), and labels, int64 (B,).

        What chance decides depends on the seed, the epoch and the place in it alone, so that an
        epoch can be begun at its batch number `first`.

        Raises:
            DataError: a picture cannot be read; names the file.
        """
        order = self.order(seed, epoch)
        chance = {"do": "train", "seed": seed, "epoch": epoch}
        places = range(first * batch_size, self.train_size, batch_size)
        return self._batches(
            self.folder.train,
            [order[place : place + batch_size] for place in places],
            [
                {**chance, "place": place} if self.augment else {"do": "evaluate"}
                for place in places
            ],
        )

    def testing_batches(self) -> Iterator[tuple[Array, Array]]:
        """The validation pictures' middles, float32 (B, 3, size, size), and labels, in order.

        Raises:
            DataError: a picture cannot be read; names the file.
        """
        return self.in_order(self.folder.val)

    def in_order(self, part: Part) -> Iterator[tuple[Array, Array]]:
        """The middles of a part's pictures, as `testing_batches`."""
        n = len(part)
        chosen = [np.arange(k, min(k + _TEST_BATCH, n)) for k in range(0, n, _TEST_BATCH)]
        return self._batches(part, chosen, [{"do": "evaluate"}] * len(chosen))

    def problems(self) -> dict[str, str]:
        """The files that cannot be decoded, and why; all are looked at, which takes a while."""
        paths = self.folder.paths
        said = problems(self.workers, self._absolute(paths))
        return {path: reason for path, reason in zip(paths, said, strict=True) if reason}

    def close(self) -> None:
        """End the worker processes."""
        self.workers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _batches(
        self, part: Part, chosen: list[Array], how: list[dict[str, Any]]
    ) -> Iterator[tuple[Array, Array]]:
        """Batches of the pictures `chosen` from a part, each decoded by a task."""
        tasks: Iterator[Task] = (
            {**settings, "paths": self._absolute([part.paths[i] for i in batch]), "size": self.size}
            for settings, batch in zip(how, chosen, strict=True)
        )
        labels = np.array(part.labels, np.int64)
        pictures = self.workers.results(tasks)
        for batch in chosen:
            started = time.perf_counter()
            decoded = next(pictures)
            self.waited += time.perf_counter() - started
            yield normalised(decoded), labels[batch]

    def _absolute(self, paths: Iterable[str]) -> list[str]:
        return [str(self.folder.root / path) for path in paths]
