"""`minires landscape`: map the loss around trained models."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..experiments.landscape import LandscapeConfig
from ..experiments.landscape.run import Event, Landscape
from ..parallel.sweeps import SweepConfig
from .app import command, say
from .options import options_of
from .outcome import planned, show_errors
from .output import progress_bars, show_summary
from .shared import Backend, DataDir, Download, Out, Resume, Threads, data_loader
from .training import follow, resume_command, run_folder, train


@command(
    "minires landscape",
    "minires landscape --run runs/degradation-1 --nets plain20,resnet20 --points 15",
)
@options_of(LandscapeConfig, SweepConfig)
def landscape(
    asked: dict[str, Any],
    where: dict[str, Any],
    data_dir: DataDir = None,
    download: Download = False,
    backend: Backend = None,
    threads: Threads = None,
    out: Out = None,
    resume: Resume = False,
) -> None:
    """Map the loss around trained models, plain and residual, along two random directions.

    Without options: plain-56 and resnet-56 on digits, trained first; some minutes. The run folder
    gets landscape.png (contours and reliefs), landscape.csv and summary.md.
    """
    load_data = data_loader(data_dir, download)
    out = run_folder("landscape", out, resume)
    given = {"backend": backend, "data_dir": data_dir, "threads": threads, "download": download}
    again = resume_command("landscape", out, **given, **where)
    with SweepConfig(**where).connected() as sweep:
        if resume:
            walk = Landscape.resume(asked, out, load_data, sweep)
        else:
            walk = Landscape.start(LandscapeConfig(**asked), out, load_data, sweep)
        if (training := walk.training()) is not None:
            verb = "is" if len(walk.config.nets) == 1 else "are"
            say(f"no --run was given: {', '.join(walk.config.nets)} {verb} trained first")
            train(training, again, planned=planned(training))
            show_errors(training)
        follow(walk, _display(walk), again)
    show_summary(out, "landscape.png")


@contextmanager
def _display(walk: Landscape) -> Iterator[Callable[[Event], None]]:
    """Show a bar for each model; a line for each row of points where bars cannot be drawn."""
    started = time.monotonic()
    points = walk.config.points
    with progress_bars() as bars:
        tasks = {net: bars.add_task(net, total=points**2) for net in walk.config.nets}

        def show(event: Event) -> None:
            bars.update(tasks[event.net], completed=event.done)
            if bars.disable and event.point is not None and event.done % points == 0:
                seconds = time.monotonic() - started
                say(f"{event.net:<9} {event.done:>5} of {event.total} points  {seconds:.0f} s")

        yield show
