"""A folder of images as data of the laboratory."""

from pathlib import Path

import numpy as np

from ..backend import Array
from ..data import Dataset
from ..errors import UsageError
from ..vision.folder_images import WORKERS
from ..vision.folders import ImageFolder, Part, image_folder
from ..vision.workers import Workers

SIZE = 32  # pixels, as CIFAR-10's
MOST = 4000  # images
CLASSES = 20  # at most
_FILES_PER_TASK = 16


def folder_dataset(root: str | Path) -> Dataset:
    """Return the images of a folder, one folder a class, each its middle at 32x32 pixels.

    Training and test images are as `minires finetune` finds them, in an order that mixes classes.

    Raises:
        UsageError: there is no such folder, or it has too many images or classes.
        DataError: it has no class folders, or a file cannot be decoded.
    """
    found = listed(root)
    with Workers(WORKERS) as workers:
        train_images, train_labels = _decoded(found.root, found.train, workers)
        test_images, test_labels = _decoded(found.root, found.val, workers)
    return Dataset(
        name=found.root.resolve().name,
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
        classes=found.classes,
        white=255,
        shift=SIZE // 8,
        flip=True,
    )


def listed(root: str | Path) -> ImageFolder:
    """Return the files of a folder; raise as `folder_dataset`, but for what decoding finds."""
    found = image_folder(root)
    if len(found.paths) > MOST or len(found.classes) > CLASSES:
        raise UsageError(
            f"{root} has {found}; the laboratory takes {MOST:,} images, {CLASSES} classes at most"
        )
    return found


def _decoded(root: Path, part: Part, workers: Workers) -> tuple[Array, Array]:
    """Return images, uint8 (N, 3, SIZE, SIZE), and labels, in a random order: always the same."""
    order = np.random.default_rng(0).permutation(len(part))
    paths = [str(root / part.paths[i]) for i in order]
    n = _FILES_PER_TASK
    tasks = [
        {"do": "evaluate", "size": SIZE, "paths": paths[k : k + n]} for k in range(0, len(paths), n)
    ]
    return np.concatenate(list(workers.results(tasks))), np.array(part.labels, np.int64)[order]
