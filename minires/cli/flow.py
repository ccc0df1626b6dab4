"""`minires flow`: what becomes of gradients in plain and residual nets."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markdown import Markdown
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .. import data
from ..experiments.degradation import config_of
from ..experiments.gradient_flow import FIGURES, FlowConfig, FlowRun
from .app import app, console
from .options import INTEGER, Backend, DataDir, free_folder, names


@app.command()
def flow(
    nets: Annotated[
        str | None,
        typer.Option(help="plain or resnet and a depth of 6n + 2, by commas: plain20,resnet110."),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            help="Steps of training over which the flow is followed; 10 by default.", **INTEGER
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Of weights, images and draws; 0 by default.", **INTEGER),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="digits (shipped, the default) or cifar10.")
    ] = None,
    data_dir: DataDir = None,
    size: Annotated[
        int | None,
        typer.Option(
            help="Height to which images are enlarged for the flow, a multiple of their own; "
            "32 by default.",
            **INTEGER,
        ),
    ] = None,
    only: Annotated[
        str | None, typer.Option(help=f"Figures to make, by commas: {','.join(FIGURES)}.")
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(help="Take responses and paths from the nets of a finished degradation run."),
    ] = None,
    backend: Backend = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to make; runs/flow-N by default.")
    ] = None,
) -> None:
    """Measure what becomes of gradients, in plain and in residual nets.

    Without options, some minutes on digits: plain-20, plain-56, resnet-20 and resnet-56 with each
    cure for vanishing and exploding gradients switched off in turn; how strongly layers respond;
    shattered gradients; how much gradient comes along short paths. A picture and a CSV file each,
    and summary.md.
    """
    asked: dict[str, Any] = {
        "nets": names(nets),
        "steps": steps,
        "seed": seed,
        "dataset": dataset,
        "size": size,
        "only": names(only),
        "run": run,
    }
    if run is not None and nets is None:
        asked["nets"] = config_of(run).nets
    config = FlowConfig(**{name: value for name, value in asked.items() if value is not None})
    out = out or free_folder(Path("runs"), "flow")
    flows = FlowRun.start(config, data.load(config.dataset, data_dir), out)
    _show(flows)
    console.print(Markdown((out / "summary.md").read_text(encoding="utf-8")))
    print(f"pictures: {', '.join(str(out / f'{name}.png') for name in config.only)}")


def _show(flows: FlowRun) -> None:
    """A bar for each figure; where the output is not a terminal, a line instead."""
    columns = (
        TextColumn("[bold]{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        for event in flows.run():
            if event.done == 0:
                task = bars.add_task(event.figure, total=event.total)
            bars.update(task, completed=event.done)
            if event.done == event.total and not console.is_terminal:
                print(f"{event.figure}: {event.total} measurements")
