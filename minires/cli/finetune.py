"""`minires finetune`: fine-tune a trained model on a folder of images."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import UsageError
from ..vision.finetune import Finetune, FinetuneConfig
from ..vision.folder_images import WORKERS
from .app import command, console
from .options import options_of
from .output import show_summary, waiting
from .shared import Backend, Decoders, Out, Resume, Strict, Threads
from .training import resume_command, run_folder, train


@command(
    "minires finetune images/ --model resnet18 --weights resnet18.pth --epochs 10 --freeze",
    "minires finetune --resume --out runs/finetune-1",
)
@options_of(FinetuneConfig)
def finetune(
    asked: dict[str, Any],
    data: Annotated[
        Path | None,
        typer.Argument(
            help="Folder with train/ and val/, or with the classes themselves: a folder for each."
        ),
    ] = None,
    workers: Decoders = WORKERS,
    strict: Strict = False,
    backend: Backend = None,
    threads: Threads = None,
    out: Out = None,
    resume: Resume = False,
) -> None:
    """Fine-tune a model on a folder of images, with a new last layer for its classes.

    The run folder gets the best weights, history.csv, learning curves, a confusion matrix, a page
    of mistakes and summary.md.
    """
    out = run_folder("finetune", out, resume)
    with waiting("looking at the images ..."):
        if resume:
            run = Finetune.resume(asked, out, data, workers)
        elif data is None:
            raise UsageError("say where the images are: a folder with a folder for each class")
        else:
            config = FinetuneConfig(str(data.absolute()), **asked)
            run = Finetune.start(config, out, workers, strict)
    with run:
        for line in (*run.notices, run.description):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        moved = [data] if data is not None and resume else []
        again = resume_command("finetune", out, *moved, backend=backend, threads=threads)
        train(run, again, accuracy=True, test="val")
    show_summary(out, "confusion.png")
