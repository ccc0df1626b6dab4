"""Find image files in folders, one folder a class, and split them into training and validation."""

import hashlib
import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import DataError, UsageError
from ..text import few
from .listing import files_in, folders_in, reading
from .parts import check_classes, train_and_val

VAL_SPLIT = 0.2


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
        """Return the SHA-256 of all names and labels, and of the files' sizes.

        Raises:
            DataError: a file is no longer there.
        """
        sha = hashlib.sha256()
        for part in (self.train, self.val):
            for path, label in zip(part.paths, part.labels, strict=True):
                with reading(self.root / path):
                    size = (self.root / path).stat().st_size
                sha.update(f"{path}\0{label}\0{size}\0".encode(errors="surrogateescape"))
            sha.update(b"\0")
        return sha.hexdigest()

    def without(self, paths: Collection[str]) -> "ImageFolder":
        """Return the folder without some of its files; raise as `ImageFolder` does."""
        paths = set(paths)
        return replace(self, train=self.train.without(paths), val=self.val.without(paths))


def image_folder(root: str | Path, val_split: float | None = None, seed: int = 0) -> ImageFolder:
    """Find the images in `root`: in `train/` and `val/` if both exist, otherwise split at random.

    Every folder inside is a class, with all files in it and in folders below it, links to folders
    included, except hidden ones. Whether they are images is known when they are decoded.

    `train/` may also be called training, and `val/` valid, validation, dev, eval or holdout, in
    small or capital letters, with a number or a word more, such as `training_set`, and with what
    all folders' names have in common, as in `cats_train` and `cats_val`. Images in a folder `test/`
    beside them are not used.

    Args:
        root: the folder.
        val_split: the share of each class that is kept for validation, 0.2 by default.
        seed: of the split.

    Raises:
        UsageError: there is no such folder, or `val_split` is not between 0 and 1, or was given
            for a folder with `val/`.
        DataError: fewer than two classes, an empty one, a class in `val/` that is not in `train/`,
            parts of which one is missing or there twice, or folders such as images and labels or
            masks, none of which is a class.
    """
    root = Path(root)
    if not os.path.isdir(root):
        raise UsageError(f"there is no folder {root}")
    if parts := train_and_val(root):
        train, val = parts
        if val_split is not None:
            raise UsageError(
                f"{root} has a {val.name}/ folder of its own: --val-split is for a folder without"
            )
        return _divided_folder(root, train, val)
    split = VAL_SPLIT if val_split is None else val_split
    if not 0 < split < 1:
        raise UsageError(f"val_split must be between 0 and 1, got {split:g}")
    return _split_folder(root, split, seed)


def _divided_folder(root: Path, train: Path, val: Path) -> ImageFolder:
    classes = _classes(train)
    for name in folders_in(val):
        if name not in classes:
            raise DataError(
                f"{val} has a class {name!r} that {train} has not; it has {', '.join(few(classes))}"
            )
    files = ([files_in(part / name) for name in classes] for part in (train, val))
    return ImageFolder(root, classes, *(_part(root, of_class) for of_class in files))


def _split_folder(root: Path, val_split: float, seed: int) -> ImageFolder:
    classes = _classes(root)
    train, val = [], []
    for label, name in enumerate(classes):
        files = files_in(root / name)
        n = round(len(files) * val_split)
        n = min(max(n, 1), len(files) - 1) if len(files) > 1 else 0
        held_out = set(np.random.default_rng([seed, label]).permutation(len(files))[:n])
        train.append([file for i, file in enumerate(files) if i not in held_out])
        val.append([file for i, file in enumerate(files) if i in held_out])
    return ImageFolder(root, classes, _part(root, train), _part(root, val))


def _part(root: Path, classes: list[list[Path]]) -> Part:
    """Return all files of the classes, given in the order of their labels."""
    return Part(
        tuple(file.relative_to(root).as_posix() for files in classes for file in files),
        tuple(label for label, files in enumerate(classes) for _ in files),
    )


def _classes(folder: Path) -> tuple[str, ...]:
    names = folders_in(folder)
    check_classes(folder, names)
    if len(names) < 2:
        raise DataError(
            f"{folder} has {len(names)} class folders ({', '.join(names) or 'none'}); "
            "expected at least two, each a folder of images"
        )
    return tuple(names)


def readable(listed: ImageFolder, problems: dict[str, str], strict: bool) -> ImageFolder:
    """Return a folder without the files that cannot be decoded; with `strict`, raise DataError."""
    if not problems:
        return listed
    first = next(iter(problems.values()))
    counted = f"{len(problems)} of {len(listed.paths)} files cannot be decoded"
    if strict:
        raise DataError(f"{counted}, and --strict was given: {first}")
    try:
        return listed.without(problems)
    except DataError as error:
        raise DataError(f"{error}; {counted}: {first}") from None
