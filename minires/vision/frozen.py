"""Fine-tuning: a trained net, a new last layer, and first stages that may stay as they are."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..autograd import Tensor
from ..backend import Array, to_numpy
from ..errors import StateDictError, expect
from ..models.resnet import ResNet
from ..modes import no_grad
from ..nn import Linear, Module
from ..weights import load_weights
from .folders import Part
from .pictures import Pictures

_HEAD = "fc."  # how the names of the last layer's weights begin
_MOST_KEPT = 1 << 30  # bytes of features of the training pictures, and of those for validation
_TEST_BATCH = 256


def load_all_but_the_last_layer(net: ResNet, path: Path) -> None:
    """Read weights into a net, and give it a new last layer with initial weights.

    Raises:
        DataError: no such file, or it cannot be read.
        StateDictError: the file holds the weights of another net; names it.
    """
    report = load_weights(net, path, strict=False)
    expect(
        report.fits(except_for=_HEAD),
        StateDictError,
        f"{path} does not hold the weights of this net: {report.describe(except_for=_HEAD)}",
    )
    num_classes, features = net.fc.weight.shape
    net.fc = Linear(features, num_classes)


class FrozenFeatures:
    """A source whose images have gone through the first stages of a net, which stay as they are.

    Where nothing random comes before them, which is so for validation and for training without
    augmentation, the features are computed once and kept, unless they are too many for memory. They
    are computed in the order of the files, so that no bit depends on where a run was stopped.

    Args:
        pictures: what goes in.
        frozen: the first stages, in evaluation.
    """

    def __init__(self, pictures: Pictures, frozen: Module) -> None:
        self.pictures = pictures
        self.frozen = frozen
        self._kept: dict[Part, tuple[Array, Array] | None] = {}

    @property
    def train_size(self) -> int:
        """How many pictures an epoch has."""
        return self.pictures.train_size

    def training_batches(
        self, batch_size: int, seed: int, epoch: int, first: int = 0
    ) -> Iterator[tuple[Array, Array]]:
        """An epoch's features and labels; see `Pictures.training_batches`."""
        kept = None if self.pictures.augment else self._once(self.pictures.folder.train)
        if kept is None:
            batches = self.pictures.training_batches(batch_size, seed, epoch, first)
            return self._computed(batches)
        return _batches(kept, self.pictures.order(seed, epoch), batch_size, first)

    def testing_batches(self) -> Iterator[tuple[Array, Array]]:
        """The validation pictures' features and labels, in order."""
        kept = self._once(self.pictures.folder.val)
        if kept is None:
            return self._computed(self.pictures.testing_batches())
        return _batches(kept, np.arange(len(kept[0])), _TEST_BATCH)

    def _computed(self, batches: Iterator[tuple[Array, Array]]) -> Iterator[tuple[Array, Array]]:
        for x, labels in batches:
            with no_grad():
                features = self.frozen(Tensor(x)).data
            yield features, labels

    def _once(self, part: Part) -> tuple[Array, Array] | None:
        """All features and labels of a part, in the order of its files; None if too large."""
        if part not in self._kept:
            self._kept[part] = self._all(part)
        return self._kept[part]

    def _all(self, part: Part) -> tuple[Array, Array] | None:
        features: Array | None = None
        done = 0
        for x, _ in self._computed(self.pictures.in_order(part)):
            if features is None:
                if len(part) * x[0].nbytes > _MOST_KEPT:
                    return None
                features = np.empty((len(part), *x.shape[1:]), x.dtype)
            features[done : done + len(x)] = to_numpy(x)
            done += len(x)
        assert features is not None
        return features, np.array(part.labels, np.int64)


def _batches(
    kept: tuple[Array, Array], order: Array, batch_size: int, first: int = 0
) -> Iterator[tuple[Array, Array]]:
    features, labels = kept
    for start in range(first * batch_size, len(order), batch_size):
        chosen = order[start : start + batch_size]
        yield features[chosen], labels[chosen]
