"""`minires classify`: classify image files with a trained model."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..errors import DataError
from ..files import write_atomically
from ..runs import RunFolder, run_of
from ..text import few
from ..vision.classify import Classification, Classifier, image_files, read_labels
from ..vision.finetune import FinetuneConfig
from ..vision.folder_images import WORKERS, problems
from ..vision.workers import Workers
from .app import command, say
from .completion import nets_of
from .options import INTEGER
from .output import free_name, untrained_size, writing
from .shared import Key, Strict, Threads

_FEW = 4  # images for which starting processes is not worth it


@command(
    "minires classify image.jpg --model resnet50 --weights resnet50.pth --labels names.txt",
    "minires classify images/ --weights runs/finetune-1/weights/best.safetensors --cam maps",
)
def classify(
    images: Annotated[list[Path], typer.Argument(help="Files, or folders of files.")],
    weights: Annotated[Path, typer.Option(help="File of the model's weights.")],
    model: Annotated[
        str | None,
        typer.Option(
            autocompletion=nets_of("imagenet"),
            help="resnet18 (the default), 34, 50, 101, 152, plain18 or plain34; that of the run "
            "whose weights they are.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="Names of the classes, one a line; the run's, or else numbers."),
    ] = None,
    key: Key = None,
    cam: Annotated[Path | None, typer.Option(help="Folder for class activation maps.")] = None,
    size: Annotated[
        int | None,
        typer.Option(help="Height and width of the input; the run's, or else 224.", **INTEGER),
    ] = None,
    threads: Threads = None,
    strict: Strict = False,
) -> None:
    """Classify images: print the five most probable classes of each, with their probabilities.

    The shorter side is resized to 256 pixels, and the middle 224x224 are the model's input. With
    weights that minires finetune has left in its run, model, classes and size are those of the run.
    """
    paths = image_files(images)
    classifier = _classifier(weights, model, labels, size, key)
    for notice in classifier.notices:
        say(notice, file=sys.stderr)
    with Workers(WORKERS if len(paths) > _FEW else 0) as workers:
        found = problems(workers, [str(path) for path in paths])
        bad = [problem for problem in found if problem]
        if bad and (strict or len(bad) == len(paths)):
            raise DataError(bad[0] + (f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""))
        good = [path for path, problem in zip(paths, found, strict=True) if not problem]
        figures: set[str] = set()
        for result in classifier.classify(good, workers):
            say(str(result.path))
            for score in result.top:
                say(f"  {100 * score.probability:5.1f} %  {score.name}")
            if cam is not None:
                _write_figure(cam / free_name(result.path.stem, figures), classifier, result)
    if bad:
        left_out = f"{len(bad):,} of {len(paths):,} files were left out:"
        say(left_out, *(f"  {line}" for line in few(bad)), file=sys.stderr)


def _classifier(
    weights: Path, model: str | None, labels: Path | None, size: int | None, key: str | None
) -> Classifier:
    """Return the classifier; what was not given is that of the run whose weights they are."""
    run = run_of(weights)
    trained = FinetuneConfig.from_facts(RunFolder.open(run)[1], run) if run else FinetuneConfig("")
    if run and labels is None and (run / "classes.txt").is_file():
        labels = run / "classes.txt"
    if run and size not in (None, trained.size):
        say(untrained_size(trained.size, size), file=sys.stderr)
    names = read_labels(labels) if labels else None
    return Classifier(model or trained.model, weights, names, size or trained.size, key)


def _write_figure(figure: Path, classifier: Classifier, result: Classification) -> None:
    """Write the class activation maps of an image, and say where."""
    with writing(figure):
        figure.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(figure, classifier.figure(result))
    say(f"  figure: {figure}")
