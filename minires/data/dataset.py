"""Dataset: images and labels in memory, the order of an epoch, and the batches."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from .. import kernels
from ..arguments import flag, integer, real, several, shown
from ..backend import Array, destination, is_array, move, stream
from ..errors import DataError, ShapeError, UsageError
from ..ops import augment
from .batches import Batches

_TEST_BATCH = 256


class Source(Protocol):
    """What a training takes its batches from: images (N, C, H, W) and labels, int64 (N,)."""

    @property
    def train_size(self) -> int:
        """The number of images in an epoch."""

    def training_batches(
        self, batch_size: int, seed: int, epoch: int, first: int = 0
    ) -> Iterator[tuple[Array, Array]]:
        """Yield an epoch's batches from batch number `first` on; both numbers count from 0.

        Random numbers depend on the seed, the epoch and the position in it alone, so that a run
        that was stopped resumes at any batch.
        """

    def testing_batches(self) -> Iterator[tuple[Array, Array]]:
        """Yield all test images and labels, in order."""


def expect_pixels(images: Any, shape: tuple[int | None, ...]) -> None:
    """Check for numbers (N, *shape), where None is any size."""
    known = is_array(images) and images.dtype.kind in "uif" and images.ndim == len(shape) + 1
    if not known or any(m not in (None, n) for n, m in zip(images.shape[1:], shape, strict=True)):
        sizes = ", ".join("?" if m is None else str(m) for m in shape)
        raise ShapeError(f"expected images (N, {sizes}), got {shown(images)}")


@dataclass(frozen=True)
class Dataset:
    """Images and labels for training and for testing.

    Attributes:
        name: as reports quote it.
        train_images: uint8 (N, C, H, W); train_labels: int64 (N,).
        test_images: uint8 (M, C, H, W); test_labels: int64 (M,).
        classes: the names of the labels 0, 1, ...
        white: the largest value a pixel can have.
        shift: how far augmentation moves an image at most, in pixels.
        flip: whether augmentation mirrors half of the images.
        standardised: whether models get pixels scaled and centred, see `inputs`; otherwise they
            get 0 to 255, as in an image file.
        share: (r, n) of rank r of n, each of which is given its part of every batch.

    Raises:
        DataError: the numbers of images and labels differ, or a label has no class.
    """

    name: str
    train_images: Array
    train_labels: Array
    test_images: Array
    test_labels: Array
    classes: tuple[str, ...]
    white: int
    shift: int
    flip: bool
    standardised: bool = True
    share: tuple[int, int] = (0, 1)

    def __post_init__(self) -> None:
        for part, images, labels in (
            ("training", self.train_images, self.train_labels),
            ("test", self.test_images, self.test_labels),
        ):
            if not is_array(images) or not is_array(labels) or labels.dtype.kind not in "iu":
                given = f"{shown(images)} and {shown(labels)}"
                raise DataError(f"{self.name}: {part} images and labels are arrays, got {given}")
            if images.ndim != 4 or labels.shape != images.shape[:1] or not len(images):
                raise DataError(
                    f"{self.name}: {part} images of shape {images.shape} for {labels.size} labels"
                )
            if labels.min() < 0 or labels.max() >= len(several(self.classes, "classes")):
                raise DataError(
                    f"{self.name}: {part} labels from {labels.min()} to {labels.max()}; "
                    f"expected 0 to {len(self.classes) - 1}"
                )

    @property
    def channels(self) -> int:
        """C: 1 for grey images, 3 for colour."""
        return int(self.train_images.shape[1])

    @cached_property
    def mean(self) -> Array:
        """The mean training image, float32 (C, H, W), white being 1."""
        return (self.train_images.mean(axis=0) / self.white).astype(np.float32)

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of all images and labels."""
        sha = hashlib.sha256()
        for part in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            sha.update(np.ascontiguousarray(part).data)
        return sha.hexdigest()

    @property
    def train_size(self) -> int:
        """The number of training images."""
        return len(self.train_images)

    def draws(self, seed: int, epoch: int) -> augment.Draws:
        """Return the random numbers of the epoch number `epoch`, in its order; see `Source`."""
        rng = stream([seed, epoch])
        n = self.train_size
        return augment.Draws(
            image=rng.permutation(n),
            down=rng.integers(0, 2 * self.shift + 1, n),
            right=rng.integers(0, 2 * self.shift + 1, n),
            flipped=(rng.random(n) < 0.5) & self.flip,
        )

    def training_batches(
        self, batch_size: int, seed: int, epoch: int, first: int = 0
    ) -> Iterator[tuple[Array, Array]]:
        """Yield an epoch's batches, augmented; see `Source` and `ops.augment.training_batch`."""
        batch_size = integer(batch_size, "batch_size", at_least=1)
        first = integer(first, "first", at_least=0)
        draws = self.draws(seed, epoch)
        for start in range(first * batch_size, self.train_size, batch_size):
            part = self._part(start, min(start + batch_size, self.train_size))
            yield kernels.call(
                augment.training_batch,
                self.train_images,
                self.train_images,
                self.train_labels,
                self.mean if self.standardised else None,
                augment.Draws(*(values[part] for values in draws)),
                self.shift,
                self.white,
            )

    def batches(self, batch_size: int, shuffle: bool = False, seed: int = 0) -> Batches:
        """Return the training images in batches, to be gone through once an epoch; see `Batches`.

        Args:
            batch_size: images in a batch; the last one may have fewer.
            shuffle: in another order each epoch, and augmented: for training.
            seed: of the orders and the augmentation.
        """
        batch_size = integer(batch_size, "batch_size", at_least=1)
        stream(seed)  # raises here what every epoch would

        def epoch(number: int) -> Iterator[tuple[Array, Array]]:
            if shuffled:
                return self.training_batches(batch_size, seed, number)
            return self._in_order(self.train_images, self.train_labels, batch_size)

        shuffled = flag(shuffle, "shuffle")
        return Batches(epoch, -(-self.train_size // batch_size))

    def testing_batches(self) -> Iterator[tuple[Array, Array]]:
        """Yield the test images, float32 (B, C, H, W), in order, and their labels, int64 (B,)."""
        return self._in_order(self.test_images, self.test_labels, _TEST_BATCH)

    def _part(self, start: int, stop: int) -> slice:
        """Return what this rank has of `range(start, stop)`; sizes differ by 1 at most."""
        rank, ranks = self.share
        count = stop - start
        return slice(start + count * rank // ranks, start + count * (rank + 1) // ranks)

    def _in_order(
        self, images: Array, labels: Array, batch_size: int
    ) -> Iterator[tuple[Array, Array]]:
        for start in range(0, len(images), batch_size):
            part = self._part(start, min(start + batch_size, len(images)))
            if part.stop > part.start:
                yield self.inputs(images[part]), labels[part]

    def __repr__(self) -> str:
        H, W = self.train_images.shape[2:]
        return (
            f"Dataset({self.name}: {self.train_size:,} training and {len(self.test_images):,} test "
            f"images of {self.channels}x{H}x{W}, {len(self.classes)} classes)"
        )

    def to(self, backend: str) -> "Dataset":
        """Return the same dataset with its arrays, and so its batches, on a backend."""
        destination(backend=backend)
        return replace(
            self,
            train_images=move(self.train_images, backend),
            train_labels=move(self.train_labels, backend),
            test_images=move(self.test_images, backend),
            test_labels=move(self.test_labels, backend),
        )

    def with_validation(self, share: float = 0.2) -> "Dataset":
        """Return a dataset that tests on the last `share` of the training images, without them."""
        n = round(len(self.train_images) * (1 - real(share, "share", 0, 1)))
        return replace(
            self,
            name=f"{self.name}, validation split",
            train_images=self.train_images[:n],
            train_labels=self.train_labels[:n],
            test_images=self.train_images[n:],
            test_labels=self.train_labels[n:],
        )

    def enlarged(self, size: int) -> "Dataset":
        """Return a dataset with each pixel repeated, so that images are `size` pixels high.

        Raises:
            UsageError: `size` is no multiple of their height.
        """
        height = self.train_images.shape[2]
        times, rest = divmod(integer(size, "size"), height)
        if rest or times < 1:
            raise UsageError(
                f"{self.name} has images of {height} pixels, which can be enlarged to a multiple "
                f"of that; got {size}"
            )
        return replace(
            self,
            train_images=self.train_images.repeat(times, 2).repeat(times, 3),
            test_images=self.test_images.repeat(times, 2).repeat(times, 3),
            shift=self.shift * times,
        )

    def in_colour(self) -> "Dataset":
        """Return a dataset of 3 channels, in which a grey image is three times the same."""
        parts = self.train_images, self.test_images
        train, test = (images.repeat(3 // self.channels, 1) for images in parts)
        return replace(self, train_images=train, test_images=test)

    def inputs(self, images: Array) -> Array:
        """Return uint8 images as input of a model: white is 1, the mean image subtracted."""
        expect_pixels(images, self.train_images.shape[1:])
        return augment.standardised(images, self.mean if self.standardised else None, self.white)
