"""Handwritten digits, 8x8, shipped with the package.

Source and licence: digits.LICENSE.txt beside this file.
"""

import hashlib
import zipfile
from importlib import resources

import numpy as np

from ..errors import DataError
from .dataset import Dataset

_SHA256 = "428ad214e900fe9343f94d9fedc8a16d461db8cd1bc0f61eecf448b8c5f16b35"
_TRAIN = 1437  # 80 % of the 1,797 images


def digits() -> Dataset:
    """Return 1,437 training and 360 test images of digits, uint8 (N, 1, 8, 8), ink 0 to 16.

    Augmentation shifts by one pixel at most: an 8x8 digit that moves further is cut.

    Raises:
        DataError: the file in the package was altered.
    """
    path = resources.files(__package__) / "digits.npz"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            images, labels = arrays["images"], arrays["labels"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read ({error}); reinstall minires") from error
    found = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
    if found != _SHA256:
        raise DataError(
            f"{path} was altered: its SHA-256 is {found}, expected {_SHA256}; reinstall minires"
        )
    return Dataset(
        name="digits",
        train_images=images[:_TRAIN],
        train_labels=labels[:_TRAIN].astype(np.int64),
        test_images=images[_TRAIN:],
        test_labels=labels[_TRAIN:].astype(np.int64),
        classes=tuple("0123456789"),
        white=16,
        shift=1,
        flip=False,
    )
