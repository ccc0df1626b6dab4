"""`minires landscape`: the loss surface around trained nets."""

import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markdown import Markdown
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .. import data
from ..data import Dataset
from ..errors import UsageError
from ..experiments.degradation import Config
from ..experiments.landscape import LandscapeConfig
from ..experiments.landscape.run import Event, Landscape
from ..viz.live import LiveDisplay
from .app import app, console
from .options import INTEGER, NUMBER, Backend, DataDir, Download, Resume, free_folder, names
from .training import stop_on_signal, train


@app.command()
def landscape(
    nets: Annotated[
        str | None, typer.Option(help="By commas; plain56,resnet56 by default.")
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(help="Folder of a degradation run with these nets; else they are trained."),
    ] = None,
    net_seed: Annotated[
        int | None,
        typer.Option(help="Which training of the nets, by its seed.", **INTEGER),
    ] = None,
    points: Annotated[
        int | None,
        typer.Option(help="Along each direction; odd, 25 by default.", **INTEGER),
    ] = None,
    span: Annotated[
        float | None,
        typer.Option(
            help="Largest step; 1, the default, moves each filter by its own length.", **NUMBER
        ),
    ] = None,
    images: Annotated[
        int | None,
        typer.Option(help="Training images whose loss it is; 256 by default.", **INTEGER),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Of the directions and the choice of images.", **INTEGER),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="digits (shipped) or cifar10; with --run, that run's.")
    ] = None,
    data_dir: DataDir = None,
    download: Download = False,
    backend: Backend = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder to make; runs/landscape-N by default.")
    ] = None,
    resume: Resume = False,
) -> None:
    """Map the loss around trained nets, plain and residual, along two random directions.

    Without options: plain-56 and resnet-56 on digits, trained first; some minutes. The run folder
    gets landscape.png (contours and reliefs), landscape.csv and summary.md.
    """
    asked: dict[str, Any] = {
        "nets": names(nets),
        "points": points,
        "span": span,
        "images": images,
        "seed": seed,
        "net_seed": net_seed,
        "dataset": dataset,
        "run": None if run is None else str(run.resolve()),
    }
    asked = {name: value for name, value in asked.items() if value is not None}

    def load_data(config: Config) -> Dataset:
        return data.load(config.dataset, data_dir, download)

    if resume:
        if out is None:
            raise UsageError("--resume needs --out, the folder of the run to go on with")
        walk = Landscape.resume(asked, out, load_data)
    else:
        out = out or free_folder(Path("runs"), "landscape")
        walk = Landscape.start(LandscapeConfig(**asked), out, load_data)
    again = ["minires", "landscape", "--resume", "--out", str(out)]
    again += ["--backend", backend] if backend else []
    again += ["--data-dir", str(data_dir)] if data_dir else []
    again += ["--download"] if download else []
    training = walk.training()
    if training is not None:
        verb = "is" if len(walk.config.nets) == 1 else "are"
        print(f"no --run was given: {', '.join(walk.config.nets)} {verb} trained first")
        display, place = LiveDisplay(console), training.folder.path
        train(training, display, place, "degradation.png", go_on=shlex.join(again))
    with stop_on_signal() as stopped:
        _show(walk, walk.run(stop=stopped))
    if walk.stopped:
        print(f"stopped; go on with: {shlex.join(again)}")
        raise typer.Exit(130)
    console.print(Markdown((out / "summary.md").read_text(encoding="utf-8")))
    print(f"picture: {out / 'landscape.png'}")


def _show(walk: Landscape, events: Iterator[Event]) -> None:
    """Go through the events with a bar for each net; a line for each row where there is no
    terminal."""
    started = time.monotonic()
    columns = (
        TextColumn("[bold]{task.description:<9}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("points"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks = {net: bars.add_task(net, total=walk.config.points**2) for net in walk.config.nets}
        for event in events:
            bars.update(tasks[event.net], completed=event.done)
            row_ended = event.point is not None and event.done % walk.config.points == 0
            if row_ended and not console.is_terminal:
                seconds = time.monotonic() - started
                print(f"{event.net:<9} {event.done:>5} of {event.total} points  {seconds:.0f} s")
