"""`minires degradation`: plain nets against residual ones."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import data
from ..data import Dataset
from ..errors import UsageError
from ..experiments.degradation import Config, Degradation
from ..viz.live import LiveDisplay
from .app import app, console
from .options import INTEGER, NUMBER, DataDir, Download, Resume, free_folder, integers, names
from .training import train


@app.command()
def degradation(
    dataset: Annotated[
        str | None, typer.Option(help="digits (shipped, the default) or cifar10.")
    ] = None,
    data_dir: DataDir = None,
    download: Download = False,
    nets: Annotated[
        str | None,
        typer.Option(
            help="By commas: plain or resnet and a depth of 6n + 2, or preact and one of 9n + 2: "
            "plain20,resnet110,preact164."
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="Passes over the training images, if not the schedule's.", **INTEGER),
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(help="Learning rate at the start, if not the schedule's.", **NUMBER),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(help="Images a step, if not the schedule's.", **INTEGER),
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(help="quick (minutes, the default) or paper (64,000 iterations a net)."),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="By commas; each net is trained once for each.")
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(help="numpy or cupy; what MINIRES_BACKEND says, or numpy, by default."),
    ] = None,
    graph: Annotated[
        bool,
        typer.Option("--graph", help="Replay each step as one CUDA graph, with --backend cupy."),
    ] = False,
    tf32: Annotated[
        bool | None,
        typer.Option(
            "--tf32",
            help="Use the GPU's tensor cores, which round factors to 10 bits of fraction.",
        ),
    ] = None,
    until: Annotated[
        int | None,
        typer.Option(
            help="Stop each net after so many epochs of its schedule; --resume goes on.",
            **INTEGER,
        ),
    ] = None,
    validation: Annotated[
        bool | None,
        typer.Option(
            "--validation", help="Test on held-out training images, not on the test images."
        ),
    ] = None,
    checkpoint_every: Annotated[
        int | None,
        typer.Option(
            help="Compute activations again in backward, so many blocks at a time: less memory, "
            "the same bits; minires memory says how much.",
            **INTEGER,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder to make; runs/degradation-N by default.")
    ] = None,
    resume: Resume = False,
) -> None:
    """Train plain and residual nets, and see which of them depth harms.

    Without options: plain-20, plain-56, resnet-20 and resnet-56 on digits, some minutes.
    The run folder gets config.json, history.csv, degradation.png and summary.md.
    """
    asked: dict[str, Any] = {
        "dataset": dataset,
        "nets": names(nets),
        "epochs": epochs,
        "lr": lr,
        "batch": batch,
        "schedule": schedule,
        "seeds": integers(seeds, "--seeds"),
        "backend": backend,
        "validation": validation,
        "checkpoint_every": checkpoint_every,
        "tf32": tf32,
    }
    asked = {name: value for name, value in asked.items() if value is not None}

    def load_data(config: Config) -> Dataset:
        return data.load(config.dataset, data_dir, download)

    if resume:
        if out is None:
            raise UsageError("--resume needs --out, the folder of the run to go on with")
        run = Degradation.resume(asked, out, load_data, graph, until)
    else:
        config = Config(**asked)
        out = out or free_folder(Path("runs"), "degradation")
        run = Degradation.start(config, load_data(config), out, graph, until)
    again = ["minires", "degradation", "--resume", "--out", str(out)]
    again += ["--data-dir", str(data_dir)] if data_dir else []
    again += ["--download"] if download else []
    again += ["--graph"] if graph else []
    again += ["--until", str(until)] if until else []
    train(run, LiveDisplay(console), out, "degradation.png", go_on=shlex.join(again))
