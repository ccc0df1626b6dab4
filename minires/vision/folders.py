"""Find image files in folders, one folder a class, and split them into training and validation."""

import hashlib
import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import DataError, UsageError

VAL_SPLIT = 0.2

_NOT_IMAGES = {"Thumbs.db", "desktop.ini"}  # files that systems leave in folders of images


@dataclass(frozen=True)
class Part:
    """Image files and their classes.

    Attributes:
        paths: of the files, relative to the root of the folder, with "/" between.
        labels: the class of each, counted from 0.
    """

    paths: tuple[str, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def without(self, paths: Collection[str]) -> "Part":
        """Return the other files."""
        kept = [i for i, path in enumerate(self.paths) if path not in paths]
        return Part(tuple(self.paths[i] for i in kept), tuple(self.labels[i] for i in kept))


@dataclass(frozen=True)
class ImageFolder:
    """A folder of images; its `str` says how many there are.

    Attributes:
        root: the folder.
        classes: the names of its class folders, sorted.
        train, val: the images for training and for validation.

    Raises:
        DataError: a class has no training image, or there is no validation image.
    """

    root: Path
    classes: tuple[str, ...]
    train: Part
    val: Part

    def __post_init__(self) -> None:
        labels = set(self.train.labels)
        for label, name in enumerate(self.classes):
            if label not in labels:
                raise DataError(
                    f"class {name!r} in {self.root} has no image to train on; "
                    "put some into its folder, or remove the folder"
                )
        if not len(self.val):
            raise DataError(f"{self.root} has no image to validate on")

    def __str__(self) -> str:
        return (
            f"{len(self.train):,} training and {len(self.val):,} validation images of "
            f"{len(self.classes)} classes"
        )

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the paths of all files, relative to the root."""
        return self.train.paths + self.val.paths

    @property
    def digest(self) -> str:
        """Return the SHA-256 of all names and labels, and of the files' sizes."""
        sha = hashlib.sha256()
        for part in (self.train, self.val):
            for path, label in zip(part.paths, part.labels, strict=True):
                size = (self.root / path).stat().st_size
                sha.update(f"{path}\0{label}\0{size}\0".encode(errors="surrogateescape"))
            sha.update(b"\0")
        return sha.hexdigest()

    def without(self, paths: Collection[str]) -> "ImageFolder":
        """Return the folder without some of its files.

        Raises:
            DataError: a class has then no image to train on, or there is none to validate on.
        """
        paths = set(paths)
        return replace(self, train=self.train.without(paths), val=self.val.without(paths))


def image_folder(root: str | Path, val_split: float | None = None, seed: int = 0) -> ImageFolder:
    """Find the images in `root`: in `train/` and `val/` if both exist, otherwise split at random.

    Every folder inside is a class, with all files in it and in folders below it, except hidden
    ones. Whether they are images is known when they are decoded.

    Args:
        root: the folder.
        val_split: the share of each class that is kept for validation, 0.2 by default.
        seed: of the split.

    Raises:
        UsageError: there is no such folder, or `val_split` is not between 0 and 1, or was given
            for a folder with `val/`.
        DataError: fewer than two classes, an empty one, a class in `val/` that is not in `train/`.
    """
    root = Path(root)
    if not root.is_dir():
        raise UsageError(f"there is no folder {root}")
    if all((root / part).is_dir() for part in ("train", "val")):
        if val_split is not None:
            raise UsageError(
                f"{root} has a val/ folder of its own: --val-split is for a folder without"
            )
        return _divided_folder(root)
    split = VAL_SPLIT if val_split is None else val_split
    if not 0 < split < 1:
        raise UsageError(f"val_split must be between 0 and 1, got {split:g}")
    return _split_folder(root, split, seed)


def files_in(folder: Path) -> list[str]:
    """Return all files in a folder and below it, relative to it with "/" between, sorted.

    Hidden files are left out. A folder that does not exist has none.

    Raises:
        DataError: a folder cannot be read.
    """

    def fail(error: OSError) -> None:
        raise DataError(f"{error.filename} cannot be read: {error.strerror or error}")

    found: list[str] = []
    if not folder.is_dir():
        return found
    for parent, folders, files in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            (Path(parent) / name).relative_to(folder).as_posix()
            for name in files
            if not name.startswith(".") and name not in _NOT_IMAGES
        ]
    return sorted(found)


def _divided_folder(root: Path) -> ImageFolder:
    classes = _classes(root / "train")
    for name in _class_folders(root / "val"):
        if name not in classes:
            raise DataError(
                f"{root / 'val'} has a class {name!r} that {root / 'train'} has not; "
                f"it has {', '.join(classes)}"
            )
    train, val = (
        _part([(f"{part}/{name}", files_in(root / part / name)) for name in classes])
        for part in ("train", "val")
    )
    return ImageFolder(root, classes, train, val)


def _split_folder(root: Path, val_split: float, seed: int) -> ImageFolder:
    classes = _classes(root)
    train, val = [], []
    for label, name in enumerate(classes):
        files = files_in(root / name)
        n = round(len(files) * val_split)
        n = min(max(n, 1), len(files) - 1) if len(files) > 1 else 0
        drawn = np.random.default_rng([seed, label]).permutation(len(files))[:n]
        held_out = {files[i] for i in drawn}
        train.append((name, [file for file in files if file not in held_out]))
        val.append((name, [file for file in files if file in held_out]))
    return ImageFolder(root, classes, _part(train), _part(val))


def _part(classes: list[tuple[str, list[str]]]) -> Part:
    """Return all files of the class folders, given in the order of their labels."""
    return Part(
        tuple(f"{folder}/{file}" for folder, files in classes for file in files),
        tuple(label for label, (_, files) in enumerate(classes) for _ in files),
    )


def _classes(folder: Path) -> tuple[str, ...]:
    names = _class_folders(folder)
    if len(names) < 2:
        raise DataError(
            f"{folder} has {len(names)} class folders ({', '.join(names) or 'none'}); "
            "expected at least two, each a folder of images"
        )
    return names


def _class_folders(folder: Path) -> tuple[str, ...]:
    try:
        inside = list(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror or error}") from error
    return tuple(sorted(p.name for p in inside if p.is_dir() and not p.name.startswith(".")))
