"""What a degradation run is about to train, what it has found, and what to look at next."""

import shlex
from pathlib import Path
from statistics import mean

from ..experiments.degradation import Config, Degradation, compare, finding, weights_path
from .app import say
from .output import new_table, show_table


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
