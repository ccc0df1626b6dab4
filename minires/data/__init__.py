"""Datasets: digits, which is shipped, and CIFAR-10."""

from pathlib import Path

from ..errors import UsageError
from . import cifar10 as _cifar10
from .cifar10 import cifar10
from .dataset import Dataset
from .digits import digits

NAMES = ("digits", "cifar10")


def load(name: str, data_dir: Path | None = None, download: bool = False) -> Dataset:
    """The dataset `name`; CIFAR-10 from `data_dir`, or fetched from its home on request.

    Raises:
        UsageError: no such dataset, or CIFAR-10 with neither a folder nor `download`.
        DataError: a file is missing or altered, or the download failed.
    """
    if name not in NAMES:
        raise UsageError(f"there is no dataset {name!r}; there are: {', '.join(NAMES)}")
    if name == "digits":
        if data_dir is not None or download:
            raise UsageError("digits is part of minires: it takes no data folder and no download")
        return digits()
    if data_dir is None and not download:
        raise UsageError(
            "cifar10 needs --data-dir, a folder with its binary files (data_batch_1.bin, ...), "
            "or --download to fetch it (170 MB)"
        )
    return cifar10(_cifar10.download() if data_dir is None else data_dir)


__all__ = ["Dataset", "cifar10", "digits", "load"]
