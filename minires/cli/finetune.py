"""`minires finetune`: fine-tune a trained model on a folder of images."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import UsageError
from ..vision.finetune import Finetune, FinetuneConfig
from ..vision.folder_images import WORKERS
from ..viz.live import LiveDisplay
from .app import app, console
from .options import INTEGER, NUMBER, Backend, Resume, free_folder
from .training import train


@app.command()
def finetune(
    data: Annotated[
        Path | None,
        typer.Argument(
            help="Folder with train/ and val/, or with the classes themselves: a folder for each."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="resnet18 (the default), 34, 50, 101, 152, plain18 or plain34."),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="File of weights to begin from; without, initial ones.")
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="Passes over the training images, 10 by default.", **INTEGER),
    ] = None,
    val_split: Annotated[
        float | None,
        typer.Option(
            help="Share of each class to validate on, where there is no val/; 0.2 by default.",
            **NUMBER,
        ),
    ] = None,
    freeze: Annotated[
        bool | None, typer.Option("--freeze", help="Train the last layer alone.")
    ] = None,
    stages: Annotated[
        int | None,
        typer.Option(
            help="With --freeze: train so many of the last stages too, 1 to 3.", **INTEGER
        ),
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(help="Learning rate, 0.001 by default.", **NUMBER),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(help="Images a training step, 32 by default.", **INTEGER),
    ] = None,
    augment: Annotated[
        bool | None,
        typer.Option(
            "--augment/--no-augment",
            help="Train on random parts, mirrored at random (the default), or on the middle; "
            "with --freeze the frozen layers are then computed once.",
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(help="Height and width of the model's input, 224 by default.", **INTEGER),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Of everything random, 0 by default.", **INTEGER),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            help="Processes that decode images; the result does not depend on it.", **INTEGER
        ),
    ] = WORKERS,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Stop at files that cannot be decoded, not leave them out."),
    ] = False,
    backend: Backend = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder to make; runs/finetune-N by default.")
    ] = None,
    resume: Resume = False,
) -> None:
    """Fine-tune a model on a folder of images, with a new last layer for its classes.

    The run folder gets the best weights, history.csv, learning curves, a confusion matrix, a page
    of mistakes and summary.md.
    """
    asked: dict[str, Any] = {
        "model": model,
        "weights": None if weights is None else str(weights.absolute()),
        "epochs": epochs,
        "val_split": val_split,
        "freeze": freeze,
        "stages": stages,
        "lr": lr,
        "batch": batch,
        "augment": augment,
        "size": size,
        "seed": seed,
    }
    asked = {name: value for name, value in asked.items() if value is not None}
    with console.status("decoding all images once ..."):
        run, out = _run(asked, data, out, resume, workers, strict)
    with run:
        console.print(run.description, highlight=False, soft_wrap=True)
        again = ["minires", "finetune", "--resume", "--out", str(out)]
        again += ["--backend", backend] if backend else []
        again += [str(data)] if data is not None and resume else []
        display = LiveDisplay(console, accuracy=True, test="val")
        train(run, display, out, "confusion.png", go_on=shlex.join(again))


def _run(
    asked: dict[str, Any],
    data: Path | None,
    out: Path | None,
    resume: bool,
    workers: int,
    strict: bool,
) -> tuple[Finetune, Path]:
    """The run that is asked for, and its folder."""
    if resume:
        if out is None:
            raise UsageError("--resume needs --out, the folder of the run to go on with")
        return Finetune.resume(asked, out, data, workers), out
    if data is None:
        raise UsageError("say where the images are: a folder with a folder for each class")
    config = FinetuneConfig(str(data.absolute()), **asked)
    out = out or free_folder(Path("runs"), "finetune")
    return Finetune.start(config, out, workers, strict), out
