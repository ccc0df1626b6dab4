"""Tell folders that have a part of the images, such as train/ and val/, from folders of a class."""

import re
from collections.abc import Sequence
from pathlib import Path

from ..errors import DataError
from ..text import few
from .listing import folders_in

_PARTS = {  # what they are called, in small or capital letters
    "training": {"train", "training", "训练"},
    "validation": {"val", "valid", "validation", "validate", "验证"}
    | {"dev", "eval", "evaluation", "holdout"},
    "test": {"test", "testing", "测试"},
}
_MORE = {"set", "images", "image", "imgs", "img", "data", "seg"}  # words beside, as in training_set
_IMAGES = {"images", "image", "imgs", "img", "jpegimages"}.union(*_PARTS.values())
_BESIDE = (  # what lies beside images that are not in a folder a class
    {"labels", "label", "annotations", "annotation", "bboxes", "captions", "imagesets"}
    | {"masks", "mask", "segmentationclass", "segmentationobject", "gt", "groundtruth"}
    | {"unlabeled", "unlabelled", "extra"}
)


def train_and_val(root: Path) -> tuple[Path, Path] | None:
    """Return the folders with the training and validation images; None if `root` has classes.

    Raises:
        DataError: one of them is missing, or there twice.
    """
    plain = _plain(folders_in(root))
    parts = {
        part: [name for name, as_plain in plain.items() if as_plain in called]
        for part, called in _PARTS.items()
    }
    found = [name for part in parts.values() for name in part]
    if len(found) < 2:  # a class may be called train
        return None
    has = f"{root} has the folders {' and '.join(found)}"
    train, val = parts["training"], parts["validation"]
    if len(train) > 1 or len(val) > 1:
        raise DataError(f"{has}; expected one for training and one for validation")
    if not train:
        raise DataError(f"{has}, but none called train")
    if not val:
        raise DataError(
            f"{has}, but none called val; to validate on a share of the training images, give "
            f"{root / train[0]}"
        )
    return root / train[0], root / val[0]


def check_classes(folder: Path, names: Sequence[str]) -> None:
    """Raise DataError if folders are those of images and of labels or masks, not of classes."""
    words = {"".join(_words(name)) for name in names}
    if words <= _IMAGES | _BESIDE and words & _IMAGES and words & _BESIDE:
        raise DataError(
            f"{folder} has the folders {' and '.join(few(names))}, which are no classes; expected "
            "a folder for each class, with its images"
        )


def _plain(names: Sequence[str]) -> dict[str, str]:
    """Return for each name the words that tell it from the others: "train" for Cats_Train2017."""
    words = {name: _words(name) for name in names}
    shared = set.intersection(*map(set, words.values())) if words else set[str]()
    if any(shared.issuperset(own) for own in words.values()):
        shared = set()
    return {
        name: " ".join(word for word in own if word not in shared | _MORE)
        for name, own in words.items()
    }


def _words(name: str) -> list[str]:
    """Return the words of a name: small, without numbers, and train for trainset."""
    words = re.findall(r"[^\W\d_]+", name.lower())
    return [re.sub("(?<=.)(set|集)$", "", word) for word in words]
