"""A trained net, asked what is in photos."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..backend import Array
from ..errors import StateDictError, UsageError, expect
from ..models import imagenet_net
from ..weights import load_weights
from .activation import activation_map, look
from .activation_figure import activation_figure
from .folders import files_in
from .images import decode
from .loading import Workers
from .pictures import LEAST_SIZE
from .transforms import middle, normalised, resized
from .worker import Task

TOP = 5

_CLASSES = 1000  # of ImageNet, whose weights come without names
_BATCH = 32
_FINER = 2  # times more pixels a side in a picture of a map than the net sees


class Guess(NamedTuple):
    """A class by number and name, and its probability."""

    label: int
    name: str
    probability: float


class Answer(NamedTuple):
    """What a net says of a photo.

    Attributes:
        path: of the photo.
        guesses: the likeliest classes, the likeliest first.
        activation: how much each place counts for the likeliest, (h, w); see `activation_map`.
    """

    path: Path
    guesses: list[Guess]
    activation: Array


class Classifier:
    """A net with its weights and the names of its classes.

    Args:
        model: a name, such as resnet18.
        weights: a file of them.
        names: of the classes, in the order of its outputs; without, they are numbers, of 1000.
        size: height and width of what it sees.

    Raises:
        UsageError: there is no such net, or a size below 32.
        DataError: the file cannot be read.
        StateDictError: it holds the weights of another net, or of another number of classes.
    """

    def __init__(
        self, model: str, weights: Path, names: Sequence[str] | None = None, size: int = 224
    ) -> None:
        expect(size >= LEAST_SIZE, UsageError, f"size must be at least {LEAST_SIZE}, got {size}")
        classes = _CLASSES if names is None else len(names)
        self.net = imagenet_net(model, classes)
        problems = load_weights(self.net, weights, strict=False)
        others = "; are there others, name them with --labels" if names is None else ""
        expect(
            not problems,
            StateDictError,
            f"{weights} does not hold the weights of {model} with {classes} classes{others}: "
            f"{'; '.join(problems[:3])}",
        )
        self.net.eval()
        self.names = names
        self.size = size

    def answers(self, photos: Sequence[Path], workers: Workers) -> Iterator[Answer]:
        """What the net says of each photo, in their order.

        Raises:
            DataError: a photo cannot be decoded; names it.
        """
        shares = [photos[k : k + _BATCH] for k in range(0, len(photos), _BATCH)]
        tasks: Iterator[Task] = (
            {"do": "evaluate", "paths": [str(path) for path in share], "size": self.size}
            for share in shares
        )
        for share, pictures in zip(shares, workers.results(tasks), strict=True):
            seen = look(self.net, normalised(pictures))
            for path, p, maps in zip(share, seen.probabilities, seen.maps, strict=True):
                best = (-p).argsort(kind="stable")[:TOP].tolist()
                guesses = [Guess(i, self._name(i), float(p[i])) for i in best]
                yield Answer(path, guesses, activation_map(self.net, maps, best[0]))

    def picture(self, answer: Answer) -> bytes:
        """The photo of an answer with the activation map of its likeliest class over it: a PNG."""
        photo = resized(decode(answer.path), _FINER * self.size)
        seen = middle(photo, _FINER * self.size)
        return activation_figure(photo, seen, answer.activation, *answer.guesses[0])

    def _name(self, label: int) -> str:
        return f"class {label}" if self.names is None else self.names[label]


def read_names(path: Path) -> list[str]:
    """The names in a file, one a line.

    Raises:
        UsageError: no such file, no text in UTF-8, or an empty line between others.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise UsageError(f"the labels in {path} cannot be read: {reason}") from error
    names = [line.strip() for line in lines]
    while names and not names[-1]:
        names.pop()
    expect(len(names) > 0, UsageError, f"{path} holds no labels; expected one name a line")
    for number, name in enumerate(names, start=1):
        expect(bool(name), UsageError, f"{path}, line {number}: a label is missing")
    return names


def photos_in(places: Sequence[Path]) -> list[Path]:
    """Files as they are, and all files in folders.

    Raises:
        UsageError: there is nothing at a place, or no file in a folder.
    """
    photos = []
    for place in places:
        expect(place.exists(), UsageError, f"there is no photo {place}")
        inside = [place / name for name in files_in(place)] if place.is_dir() else [place]
        expect(len(inside) > 0, UsageError, f"there is no photo in {place}")
        photos += inside
    return photos
