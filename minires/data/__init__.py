"""Datasets: digits, which is shipped, and CIFAR-10."""

from pathlib import Path

from ..arguments import flag, is_one_of, shown
from ..deprecated import keep_old_names
from ..errors import UsageError
from . import cifar10 as _cifar10
from .cifar10 import cifar10
from .dataset import Dataset
from .digits import digits

NAMES = ("digits", "cifar10")

keep_old_names(__name__)


def load(name: str, data_dir: Path | None = None, download: bool = False) -> Dataset:
    """Return the dataset `name`.

    Args:
        name: one of `NAMES`.
        data_dir: the folder with the binary files of CIFAR-10, or their archive.
        download: download CIFAR-10, if there is no `data_dir`.

    Raises:
        UsageError: there is no such dataset, or CIFAR-10 has neither `data_dir` nor `download`.
        DataError: a file is missing or altered, or the download failed.
    """
    if not is_one_of(name, NAMES):
        raise UsageError(f"there is no dataset {shown(name)}; there are: {', '.join(NAMES)}")
    download = flag(download, "download")
    if name == "digits":
        if data_dir is not None or download:
            raise UsageError("digits is part of minires: it takes no data folder and no download")
        return digits()
    if data_dir is None and not download:
        raise UsageError(
            "cifar10 needs --data-dir, a folder with its binary files (data_batch_1.bin, ...) or "
            "their archive, "
            "or --download to fetch it (170 MB)"
        )
    return cifar10(_cifar10.download() if data_dir is None else data_dir)
