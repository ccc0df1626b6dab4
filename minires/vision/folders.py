"""Pictures in folders, one a class: found, sorted, and split into training and validation."""

import hashlib
import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import DataError, UsageError, expect

VAL_SPLIT = 0.2

_NO_PICTURES = {"Thumbs.db", "desktop.ini"}  # what systems leave in folders of pictures


@dataclass(frozen=True)
class Part:
    """Pictures and what they show.

    Attributes:
        paths: of the files, relative to the root of all, with "/" between.
        labels: for each, its class, counted from 0.
    """

    paths: tuple[str, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def without(self, left_out: Collection[str]) -> "Part":
        """The others."""
        kept = [
            pair for pair in zip(self.paths, self.labels, strict=True) if pair[0] not in left_out
        ]
        return Part(tuple(path for path, _ in kept), tuple(label for _, label in kept))


@dataclass(frozen=True)
class ImageFolder:
    """A folder of pictures.

    Attributes:
        root: the folder.
        classes: the names of its class folders, sorted.
        train, val: the pictures to learn from, and those to test on.
    """

    root: Path
    classes: tuple[str, ...]
    train: Part
    val: Part

    def __post_init__(self) -> None:
        there = set(self.train.labels)
        for label, name in enumerate(self.classes):
            expect(
                label in there,
                DataError,
                f"class {name!r} in {self.root} has no picture to train on; "
                "put some into its folder, or remove the folder",
            )
        expect(len(self.val) > 0, DataError, f"{self.root} has no picture to validate on")

    @property
    def paths(self) -> tuple[str, ...]:
        """Of all files, relative to the root."""
        return self.train.paths + self.val.paths

    @property
    def digest(self) -> str:
        """The SHA-256 of all names and labels, and of the files' sizes."""
        sha = hashlib.sha256()
        for part in (self.train, self.val):
            for path, label in zip(part.paths, part.labels, strict=True):
                size = (self.root / path).stat().st_size
                sha.update(f"{path}\0{label}\0{size}\0".encode(errors="surrogateescape"))
            sha.update(b"\0")
        return sha.hexdigest()

    def without(self, left_out: Collection[str]) -> "ImageFolder":
        """The same without some of its files.

        Raises:
            DataError: a class has then no picture to train on, or there is none to validate on.
        """
        left_out = set(left_out)
        return replace(self, train=self.train.without(left_out), val=self.val.without(left_out))


def image_folder(root: str | Path, val_split: float | None = None, seed: int = 0) -> ImageFolder:
    """The pictures in `root`: in `train/` and `val/`, where both are there, or else split.

    Every folder inside is a class, with all files in it and in folders below it. Which of them are
    pictures is seen when they are decoded; hidden files are passed over.

    Args:
        root: the folder.
        val_split: the share of each class that is kept for validation, 0.2 by default.
        seed: decides which.

    Raises:
        UsageError: there is no such folder, or a `val_split` that cannot be meant.
        DataError: fewer than two classes, an empty one, a class in `val/` that is not in `train/`.
    """
    root = Path(root)
    expect(root.is_dir(), UsageError, f"there is no folder {root}")
    if all((root / part).is_dir() for part in ("train", "val")):
        expect(
            val_split is None,
            UsageError,
            f"{root} has a val/ folder of its own: --val-split is for a folder without",
        )
        return _of_two(root)
    split = VAL_SPLIT if val_split is None else val_split
    expect(0 < split < 1, UsageError, f"val_split must be between 0 and 1, got {split:g}")
    return _of_one(root, split, seed)


def files_in(folder: Path) -> list[str]:
    """All files in a folder and below it, relative to it with "/" between, sorted; hidden ones not.

    Of a folder that is not there, none.

    Raises:
        DataError: a folder cannot be read.
    """
    found = []
    if not folder.is_dir():
        return []
    for place, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            (Path(place) / name).relative_to(folder).as_posix()
            for name in files
            if not name.startswith(".") and name not in _NO_PICTURES
        ]
    return sorted(found)


def _refuse(error: OSError) -> None:
    raise DataError(f"{error.filename} cannot be read: {error.strerror or error}")


def _of_two(root: Path) -> ImageFolder:
    classes = _classes(root / "train")
    strange = [name for name in _class_folders(root / "val") if name not in classes]
    expect(
        not strange,
        DataError,
        f"{root / 'val'} has a class {strange[0] if strange else ''!r} that "
        f"{root / 'train'} has not; it has {', '.join(classes)}",
    )
    train, val = (
        _part([(f"{part}/{name}", files_in(root / part / name)) for name in classes])
        for part in ("train", "val")
    )
    return ImageFolder(root, classes, train, val)


def _of_one(root: Path, val_split: float, seed: int) -> ImageFolder:
    classes = _classes(root)
    train, val = [], []
    for label, name in enumerate(classes):
        files = files_in(root / name)
        n = round(len(files) * val_split)
        n = min(max(n, 1), len(files) - 1) if len(files) > 1 else 0
        chosen = np.random.default_rng([seed, label]).permutation(len(files))[:n]
        held_out = {files[i] for i in chosen}
        train.append((name, [file for file in files if file not in held_out]))
        val.append((name, [file for file in files if file in held_out]))
    return ImageFolder(root, classes, _part(train), _part(val))


def _part(classes: list[tuple[str, list[str]]]) -> Part:
    pairs = [
        (f"{folder}/{file}", label)
        for label, (folder, files) in enumerate(classes)
        for file in files
    ]
    return Part(tuple(path for path, _ in pairs), tuple(label for _, label in pairs))


def _classes(folder: Path) -> tuple[str, ...]:
    names = _class_folders(folder)
    expect(
        len(names) >= 2,
        DataError,
        f"{folder} has {len(names)} class folders ({', '.join(names) or 'none'}); "
        "a net learns to tell classes apart, so there must be at least two, each a folder of "
        "pictures",
    )
    return names


def _class_folders(folder: Path) -> tuple[str, ...]:
    try:
        inside = list(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror or error}") from error
    return tuple(sorted(p.name for p in inside if p.is_dir() and not p.name.startswith(".")))
