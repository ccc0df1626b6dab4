"""CIFAR-10 in its binary layout, from a folder or downloaded.

A file is 10,000 records of 3,073 bytes: one of label, 3 x 32 x 32 of pixels, red plane
first (https://www.cs.toronto.edu/~kriz/cifar.html).
"""

import os
from pathlib import Path

import numpy as np

from ..backend import Array
from ..errors import DataError, UsageError
from ..files import mistaken
from .dataset import Dataset

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
FOLDER = "cifar-10-batches-bin"
_PYTHON_FOLDER = "cifar-10-batches-py"

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
    folder = Path(folder)
    if folder.is_file():
        raise UsageError(f"{folder} is a file; expected the folder that an archive unpacks to")
    if not folder.is_dir():
        raise UsageError(f"there is no data folder {folder}")
    if (folder / FOLDER).is_dir():
        folder = folder / FOLDER
    missing = [name for name in (*_TRAIN_FILES, _TEST_FILE) if not (folder / name).is_file()]
    if missing:
        raise UsageError(
            f"{folder} does not hold CIFAR-10's binary files: {', '.join(missing)} missing"
            f"{_instead(folder)}"
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


def _instead(folder: Path) -> str:
    """Return what a folder without the binary files holds, if that is known."""
    if any((place / "data_batch_1").is_file() for place in (folder, folder / _PYTHON_FOLDER)):
        return (
            "; it holds the python version, whose files are pickles, programs that may do "
            f"anything; the binary version is read, which is at {URL}, and --download fetches it"
        )
    archive = folder / URL.rpartition("/")[2]
    return f"; unpack {archive}" if archive.is_file() else ""


def _read(paths: list[Path]) -> tuple[Array, Array]:
    """Return the images and labels of files, one after the other."""
    expected = _RECORDS * _RECORD_BYTES
    parts = []
    for path in paths:
        try:
            with open(path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                content = file.read(expected if size == expected else 100)
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
        if size != expected or len(content) != expected:
            what = mistaken(content)
            raise DataError(
                f"{path} has {size:,} bytes; expected {expected:,}: "
                + (f"it is {what}" if what else "it was cut short or altered")
            )
        records = np.frombuffer(content, np.uint8).reshape(_RECORDS, _RECORD_BYTES)
        if records[:, 0].max() >= len(CLASSES):
            raise DataError(
                f"{path} holds the label {records[:, 0].max()}; expected 0 to 9: it was altered"
            )
        parts.append(records)
    records = np.concatenate(parts)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].astype(np.int64)
