"""`minires flow`: measure gradients in plain and residual models."""

from typing import Any

from rich.progress import TaskID

from .. import data
from ..experiments.degradation import config_of
from ..experiments.gradient_flow import FlowConfig, FlowRun
from ..parallel.sweeps import SweepConfig
from .app import command, say
from .options import options_of
from .output import progress_bars, show_summary
from .shared import Backend, DataDir, Out, Threads
from .training import run_folder


@command(
    "minires flow --nets plain20,plain56,resnet20,resnet56",
    "minires flow --run runs/degradation-1 --only responses,paths",
)
@options_of(FlowConfig, SweepConfig)
def flow(
    asked: dict[str, Any],
    where: dict[str, Any],
    data_dir: DataDir = None,
    backend: Backend = None,
    threads: Threads = None,
    out: Out = None,
) -> None:
    """Measure what becomes of gradients, in plain and in residual models.

    Without options, some minutes on digits: ablations of batch norm and initialisation in
    plain-20, plain-56, resnet-20 and resnet-56; how strongly layers respond; shattered gradients;
    how much gradient comes along short paths. A figure and a CSV file each, summary.md, and the
    first finding at a glance in depth.png.
    """
    if "run" in asked:
        asked = {"nets": config_of(asked["run"]).nets, **asked}
    config = FlowConfig(**asked)
    out = run_folder("flow", out)
    with SweepConfig(**where).connected() as sweep:
        _show(FlowRun.start(config, data.load(config.dataset, data_dir), out, sweep))
    show_summary(out, *(path.name for path in sorted(out.glob("*.png"))))


def _show(flows: FlowRun) -> None:
    """Run, with a bar for each figure; a line where bars cannot be drawn."""
    tasks: dict[str, TaskID] = {}
    with progress_bars() as bars:
        for event in flows.run():
            if event.figure not in tasks:
                tasks[event.figure] = bars.add_task(event.figure, total=event.total)
            bars.update(tasks[event.figure], completed=event.done)
            if event.done == event.total and bars.disable:
                say(f"{event.figure}: {event.total} measurements")
