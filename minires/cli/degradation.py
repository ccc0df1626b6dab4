"""`minires degradation`: train plain and residual models of several depths."""

import shlex
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import typer

from ..experiments.degradation import Config, Degradation, compare, finding, weights_path
from ..parallel.sweeps import SweepConfig
from .app import command, say
from .options import INTEGER, options_of
from .output import new_table, show_table
from .shared import DataDir, Download, Out, Resume, Threads, data_loader
from .training import resume_command, run_folder, train


@command(
    "minires degradation --nets plain20,plain56,resnet20,resnet56,resnet110 --seeds 0,1,2",
    "minires degradation --resume --out runs/degradation-1",
)
@options_of(Config, SweepConfig)
def degradation(
    asked: dict[str, Any],
    where: dict[str, Any],
    data_dir: DataDir = None,
    download: Download = False,
    graph: Annotated[
        bool,
        typer.Option(
            "--graph", help="Replay each training step as one CUDA graph, with --backend cupy."
        ),
    ] = False,
    until: Annotated[
        int | None,
        typer.Option(
            help="Stop each model after so many epochs of its schedule; --resume trains on.",
            **INTEGER,
        ),
    ] = None,
    threads: Threads = None,
    out: Out = None,
    resume: Resume = False,
) -> None:
    """Train plain and residual models, and see which of them depth harms.

    Without options: plain-20, plain-56, resnet-20 and resnet-56 on digits, some minutes.
    The run folder gets config.json, history.csv, degradation.png and summary.md.
    """
    load_data = data_loader(data_dir, download)
    out = run_folder("degradation", out, resume)
    given = {"data_dir": data_dir, "threads": threads, "download": download, "graph": graph}
    with SweepConfig(**where).connected() as sweep:
        if resume:
            run = Degradation.resume(asked, out, load_data, graph, until, sweep)
        else:
            config = Config(**asked)
            run = Degradation.start(config, load_data(config), out, graph, until, sweep)
        again = resume_command("degradation", out, **given, until=until, **where)
        train(run, again, planned=planned(run))
    show_errors(run)
    if sum(map(len, run.finished.values())) == len(planned(run)):
        say("", "try next:", *next_commands(run.config, out, data_dir))
    else:
        say("", f"train on with: {resume_command('degradation', out, **given, **where)}")


def planned(run: Degradation) -> list[tuple[int, str, float]]:
    """Return the trainings of a run: seed, net, and about how long one takes beside others."""
    trainings = [(seed, net) for seed in run.config.seeds for net in run.config.specs]
    return [(seed, str(net), run.recipe.iterations * net.depth) for seed, net in trainings]


def show_errors(run: Degradation) -> None:
    """Print what was found, the errors of the nets, and where the run's files are."""
    table = new_table(None, "net", numbers=("training error", "test error"))
    for net, rows in run.finished.items():
        train, test = mean(row.train_error for row in rows), mean(row.test_error for row in rows)
        table.add_row(str(net), f"{train:.2f} %", f"{test:.2f} %")
    if found := finding(compare(run.finished)):
        say(found)
    if table.row_count:
        show_table(table)
    out = run.folder.path
    say(
        f"figure: {out / 'degradation.png'}",
        f"report: {out / 'summary.md'}",
        f"numbers: {out / 'history.csv'}",
        f"weights: {out / 'weights'}",
    )


def next_commands(config: Config, out: Path, data_dir: Path | None) -> list[str]:
    """Return command lines that show more of the nets that a run has trained."""
    by_depth = sorted(config.specs, key=lambda net: net.depth)
    plain, residual = ([n for n in by_depth if n.kind == kind] for kind in ("plain", "resnet"))
    net, seed, run = (residual or by_depth)[0], config.seeds[0], ["--run", str(out)]
    deepest = ",".join(str(nets[-1]) for nets in (plain, residual) if nets) or str(net)
    lines = [
        ["step", str(net), "--weights", str(weights_path(out, str(net), seed))],
        ["landscape", *run, "--nets", deepest, *(["--net-seed", str(seed)] if seed else [])],
    ]
    if residual:  # whose gradient takes paths
        flow = ["flow", *run, "--only", "paths", "--dataset", config.dataset]
        lines.append([*flow, *(["--seed", str(seed)] if seed else [])])
    data = ["--data-dir", str(data_dir)] if data_dir else []
    return [f"  {shlex.join(['minires', *line, *data])}" for line in lines]
