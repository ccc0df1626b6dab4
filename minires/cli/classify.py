"""`minires classify`: what is in photos."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..errors import DataError, RunError
from ..files import write_atomically
from ..vision.classify import Classification, Classifier, image_files, read_labels
from ..vision.workers import Workers
from ..vision.folder_images import WORKERS, problems
from .app import app
from .options import INTEGER

_FEW = 4  # photos for which no processes are worth starting


@app.command()
def classify(
    photos: Annotated[list[Path], typer.Argument(help="Files, or folders of files.")],
    weights: Annotated[Path, typer.Option(help="File of the net's weights.")],
    model: Annotated[
        str, typer.Option(help="resnet18, 34, 50, 101, 152, plain18 or plain34.")
    ] = "resnet18",
    labels: Annotated[
        Path | None,
        typer.Option(help="Names of the classes, one a line; without, they are numbers."),
    ] = None,
    cam: Annotated[
        Path | None,
        typer.Option(help="Folder for pictures of where the net sees the likeliest class."),
    ] = None,
    size: Annotated[
        int,
        typer.Option(help="Height and width of what the net sees.", **INTEGER),
    ] = 224,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Stop at files that cannot be decoded, not leave them out."),
    ] = False,
) -> None:
    """Say what is in photos: the five likeliest classes of each, with their probabilities.

    The shorter side is resized to 256 pixels, and the middle 224x224 are what the net sees.
    """
    paths = image_files(photos)
    classifier = Classifier(model, weights, read_labels(labels) if labels else None, size)
    with Workers(WORKERS if len(paths) > _FEW else 0) as workers:
        said = problems(workers, [str(path) for path in paths])
        bad = [sentence for sentence in said if sentence]
        if bad and (strict or len(bad) == len(paths)):
            raise DataError(bad[0] + (f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""))
        good = [path for path, problem in zip(paths, said, strict=True) if not problem]
        pictures: set[str] = set()
        for answer in classifier.classify(good, workers):
            _show(answer)
            if cam is not None:
                _write(cam / _free_name(answer.path, pictures), classifier.figure(answer))
    _list(bad, len(paths))


def _show(answer: Classification) -> None:
    print(answer.path)
    for guess in answer.top:
        print(f"  {100 * guess.probability:5.1f} %  {guess.name}")


def _free_name(path: Path, taken: set[str]) -> str:
    """A name for the picture of a photo that no other has."""
    number, name = 1, f"{path.stem}.cam.png"
    while name in taken:
        number += 1
        name = f"{path.stem}-{number}.cam.png"
    taken.add(name)
    return name


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror or error}") from error
    print(f"  picture: {path}")


def _list(bad: Sequence[str], of: int) -> None:
    if bad:
        print(f"{len(bad)} of {of} files were left out:", *bad, sep="\n  ", file=sys.stderr)
