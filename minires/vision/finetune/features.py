"""Features of a folder's images: the output of a model's frozen first stages."""

from collections.abc import Iterator

import numpy as np

from ...autograd import Tensor
from ...backend import Array, to_numpy
from ...modes import no_grad
from ...nn import Module
from ..folder_images import FolderImages
from ..folders import Part

_TEST_BATCH = 256


class FrozenFeatures:
    """A source of batches whose images have gone through frozen first stages.

    Where the images are the same in every epoch, that is for validation and for training without
    augmentation, the features are computed once and kept, unless they are too large. They are
    computed in the order of the files, so that no bit depends on where a run was stopped.

    Args:
        images: the source of images.
        frozen: the first stages, in evaluation mode.
        max_bytes: the most memory for the features of the training images, and for those of the
            validation images.
    """

    def __init__(self, images: FolderImages, frozen: Module, max_bytes: int = 1 << 30) -> None:
        self.images = images
        self.frozen = frozen
        self.max_bytes = max_bytes
        self._kept: dict[Part, tuple[Array, Array] | None] = {}

    @property
    def train_size(self) -> int:
        """Return the number of images in an epoch."""
        return self.images.train_size

    def training_batches(
        self, batch_size: int, seed: int, epoch: int, first: int = 0
    ) -> Iterator[tuple[Array, Array]]:
        """Yield an epoch's features and labels; see `FolderImages.training_batches`."""
        kept = None if self.images.augment else self._features(self.images.folder.train)
        if kept is None:
            batches = self.images.training_batches(batch_size, seed, epoch, first)
            return self._computed(batches)
        return _batches(kept, self.images.order(seed, epoch), batch_size, first)

    def testing_batches(self) -> Iterator[tuple[Array, Array]]:
        """Yield the validation images' features and labels, in order."""
        kept = self._features(self.images.folder.val)
        if kept is None:
            return self._computed(self.images.testing_batches())
        return _batches(kept, np.arange(len(kept[0])), _TEST_BATCH)

    def _computed(self, batches: Iterator[tuple[Array, Array]]) -> Iterator[tuple[Array, Array]]:
        for x, labels in batches:
            with no_grad():
                features = self.frozen(Tensor(x)).data
            yield features, labels

    def _features(self, part: Part) -> tuple[Array, Array] | None:
        """Return all features and labels of a part, in the order of its files; None: too large."""
        if part in self._kept:
            return self._kept[part]
        features: Array | None = None
        done = 0
        for x, _ in self._computed(self.images.in_order(part)):
            if features is None:
                if len(part) * x[0].nbytes > self.max_bytes:
                    break
                features = np.empty((len(part), *x.shape[1:]), x.dtype)
            features[done : done + len(x)] = to_numpy(x)
            done += len(x)
        labels = np.array(part.labels, np.int64)
        self._kept[part] = None if features is None else (features, labels)
        return self._kept[part]


def _batches(
    kept: tuple[Array, Array], order: Array, batch_size: int, first: int = 0
) -> Iterator[tuple[Array, Array]]:
    features, labels = kept
    for start in range(first * batch_size, len(order), batch_size):
        batch = order[start : start + batch_size]
        yield features[batch], labels[batch]
