"""CIFAR-10 in its binary layout, from a folder or downloaded.

A file is 10,000 records of 3,073 bytes: one of label, 3 x 32 x 32 of pixels, red plane
first (https://www.cs.toronto.edu/~kriz/cifar.html).
"""

from pathlib import Path

import numpy as np

from .. import arguments
from ..backend import Array
from ..errors import DataError, UsageError
from .dataset import Dataset

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
FOLDER = "cifar-10-batches-bin"

_TRAIN_FILES = [f"data_batch_{i}.bin" for i in range(1, 6)]
_TEST_FILE = "test_batch.bin"
_RECORDS = 10_000
_RECORD_BYTES = 1 + 3 * 32 * 32


def cifar10(folder: str | Path) -> Dataset:
    """Read 50,000 training and 10,000 test images, uint8 (N, 3, 32, 32).

    Args:
        folder: has the six .bin files, or a folder `cifar-10-batches-bin` with them.

    Raises:
        UsageError: there is no such folder, or a file is missing.
        DataError: a file is cut short or too long, or has a label above 9.
    """
    folder = arguments.path(folder, "folder")
    if not folder.is_dir():
        raise UsageError(f"there is no data folder {folder}")
    if (folder / FOLDER).is_dir():
        folder = folder / FOLDER
    missing = [name for name in (*_TRAIN_FILES, _TEST_FILE) if not (folder / name).is_file()]
    if missing:
        raise UsageError(
            f"{folder} does not hold CIFAR-10's binary files: {', '.join(missing)} missing"
        )
    train_images, train_labels = _read([folder / name for name in _TRAIN_FILES])
    test_images, test_labels = _read([folder / _TEST_FILE])
    return Dataset(
        name="CIFAR-10",
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
        classes=CLASSES,
        white=255,
        shift=4,
        flip=True,
    )


def download() -> Path:
    """Download CIFAR-10 (170 MB) into the user's cache, once, and return its folder.

    Raises:
        DataError: the download failed, or the SHA-256 of the file is wrong.
    """
    import pooch

    try:
        files = pooch.retrieve(
            URL,
            known_hash=f"sha256:{SHA256}",
            path=pooch.os_cache("minires"),
            processor=pooch.Untar(),
            progressbar=True,
        )
    except (OSError, ValueError) as error:
        raise DataError(f"CIFAR-10 cannot be downloaded from {URL}: {error}") from error
    return Path(files[0]).parent


def _read(paths: list[Path]) -> tuple[Array, Array]:
    """Return the images and labels of files, one after the other."""
    parts = []
    for path in paths:
        records = np.fromfile(path, np.uint8)
        if records.size != _RECORDS * _RECORD_BYTES:
            raise DataError(
                f"{path} has {records.size:,} bytes; expected {_RECORDS * _RECORD_BYTES:,}: "
                "it was cut short or altered"
            )
        records = records.reshape(_RECORDS, _RECORD_BYTES)
        if records[:, 0].max() >= len(CLASSES):
            raise DataError(
                f"{path} holds the label {records[:, 0].max()}; expected 0 to 9: it was altered"
            )
        parts.append(records)
    records = np.concatenate(parts)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].astype(np.int64)
