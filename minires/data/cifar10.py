"""CIFAR-10 in its binary layout, from a folder, from its archive, or downloaded.

A file is 10,000 records of 3,073 bytes: one of label, 3 x 32 x 32 of pixels, red plane
first (https://www.cs.toronto.edu/~kriz/cifar.html).
"""

import gzip
import os
import tarfile
import zlib
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np

from .. import arguments
from ..backend import Array
from ..errors import DataError, UsageError
from ..files import brief, mistaken
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
_FILES = (*_TRAIN_FILES, _TEST_FILE)
_MOST_MEMBERS = 20  # of an archive that are looked at; it has 9
_END = 1 << 20  # bytes; what follows the last member is shorter
_RECORDS = 10_000
_RECORD_BYTES = 1 + 3 * 32 * 32


def cifar10(folder: str | Path) -> Dataset:
    """Read 50,000 training and 10,000 test images, uint8 (N, 3, 32, 32).

    Args:
        folder: a folder that has the six .bin files, or a folder `cifar-10-batches-bin` with them;
            or the archive that its home page gives, which is read as it is.

    Raises:
        UsageError: there is no such folder, or a file is missing.
        DataError: a file is cut short or too long, or has a label above 9.
    """
    folder = arguments.path(folder, "folder")
    contents = _archived(folder) if os.path.isfile(folder) else _in_folder(folder)
    train_images, train_labels = _images([contents[name] for name in _TRAIN_FILES])
    test_images, test_labels = _images([contents[_TEST_FILE]])
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
    """Download CIFAR-10 (170 MB) into the user's cache, once, and return the path of its archive.

    The checksum of the archive is compared each time. It is not unpacked on the disk: what is read
    is what was compared.

    Raises:
        DataError: the download failed, or the SHA-256 of the file is wrong.
    """
    import pooch

    try:
        archive = pooch.retrieve(
            URL,
            known_hash=f"sha256:{SHA256}",
            path=pooch.os_cache("minires"),
            progressbar=True,
        )
    except (OSError, ValueError) as error:
        raise DataError(f"CIFAR-10 cannot be downloaded from {URL}: {error}") from error
    return Path(archive)


def _archived(archive: Path) -> dict[str, Array]:
    """Return the records of the files in an archive, by name; nothing is written."""
    found = {}
    try:
        with gzip.open(archive) as unzipped, tarfile.open(fileobj=unzipped, mode="r:") as tar:
            for member in islice(tar, _MOST_MEMBERS):
                name = PurePosixPath(member.name).name
                file = tar.extractfile(member) if member.isreg() else None  # no link is followed
                if file is not None and name in _FILES:
                    found[name] = _records(archive / name, file, member.size)
            unzipped.read(_END)  # at its end, `gzip` compares its checksum
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise DataError(
            f"{archive} is not a whole archive of CIFAR-10's binary files: {brief(error)}"
        ) from error
    if missing := [name for name in _FILES if name not in found]:
        raise UsageError(
            f"{archive} does not hold CIFAR-10's binary files: {', '.join(missing)} missing"
        )
    return found


def _in_folder(folder: Path) -> dict[str, Array]:
    """Return the records of the files in a folder, by name."""
    if not os.path.isdir(folder):
        raise UsageError(f"there is no data folder {folder}")
    if (folder / FOLDER).is_dir():
        folder = folder / FOLDER
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise UsageError(
            f"{folder} does not hold CIFAR-10's binary files: {', '.join(missing)} missing"
            f"{_instead(folder)}"
        )
    found = {}
    for name in _FILES:
        try:
            with open(folder / name, "rb") as file:
                found[name] = _records(folder / name, file, os.fstat(file.fileno()).st_size)
        except OSError as error:
            raise DataError(f"{folder / name} cannot be read: {error.strerror or error}") from error
    return found


def _instead(folder: Path) -> str:
    """Return what a folder without the binary files holds, if that is known."""
    if any((place / "data_batch_1").is_file() for place in (folder, folder / _PYTHON_FOLDER)):
        return (
            "; it holds the python version, whose files are pickles, programs that may do "
            f"anything; the binary version is read, which is at {URL}, and --download fetches it"
        )
    archive = folder / URL.rpartition("/")[2]
    return f"; give the archive itself, {archive}, or unpack it" if archive.is_file() else ""


def _records(path: Path, file: IO[bytes], size: int) -> Array:
    """Return the records of a file of `size` bytes, uint8 (N, 3073)."""
    expected = _RECORDS * _RECORD_BYTES
    content = file.read(expected if size == expected else 100)
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
    return records


def _images(parts: list[Array]) -> tuple[Array, Array]:
    """Return the images and labels of records, one file after the other."""
    records = np.concatenate(parts)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].astype(np.int64)
