"""`minires classify`: classify image files with a trained model."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..errors import DataError, RunError
from ..files import write_atomically
from ..vision.classify import Classification, Classifier, image_files, read_labels
from ..vision.folder_images import WORKERS, problems
from ..vision.workers import Workers
from .app import app
from .options import INTEGER

_FEW = 4  # images for which starting processes is not worth it


@app.command()
def classify(
    images: Annotated[list[Path], typer.Argument(help="Files, or folders of files.")],
    weights: Annotated[Path, typer.Option(help="File of the model's weights.")],
    model: Annotated[
        str, typer.Option(help="resnet18, 34, 50, 101, 152, plain18 or plain34.")
    ] = "resnet18",
    labels: Annotated[
        Path | None,
        typer.Option(help="Names of the classes, one a line; without, they are numbers."),
    ] = None,
    cam: Annotated[
        Path | None,
        typer.Option(help="Folder for figures of the class activation maps."),
    ] = None,
    size: Annotated[
        int,
        typer.Option(help="Height and width of the model's input.", **INTEGER),
    ] = 224,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Stop at files that cannot be decoded, not leave them out."),
    ] = False,
) -> None:
    """Classify images: print the five most probable classes of each, with their probabilities.

    The shorter side is resized to 256 pixels, and the middle 224x224 are the model's input.
    """
    paths = image_files(images)
    classifier = Classifier(model, weights, read_labels(labels) if labels else None, size)
    with Workers(WORKERS if len(paths) > _FEW else 0) as workers:
        found = problems(workers, [str(path) for path in paths])
        bad = [problem for problem in found if problem]
        if bad and (strict or len(bad) == len(paths)):
            raise DataError(bad[0] + (f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""))
        good = [path for path, problem in zip(paths, found, strict=True) if not problem]
        figures: set[str] = set()
        for result in classifier.classify(good, workers):
            _show(result)
            if cam is not None:
                _write(cam / _free_name(result.path, figures), classifier.figure(result))
    _list(bad, len(paths))


def _show(result: Classification) -> None:
    print(result.path)
    for score in result.top:
        print(f"  {100 * score.probability:5.1f} %  {score.name}")


def _free_name(path: Path, taken: set[str]) -> str:
    """Return a name for the figure of an image that no other has."""
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
    print(f"  figure: {path}")


def _list(bad: Sequence[str], of: int) -> None:
    if bad:
        print(f"{len(bad)} of {of} files were left out:", *bad, sep="\n  ", file=sys.stderr)
