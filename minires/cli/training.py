"""Training as the commands do it: shown live, and stopped in good order."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.markdown import Markdown

from ..experiments.degradation import Degradation
from ..viz.live import LiveDisplay
from .app import console


def train(run: Degradation, out: Path, go_on: str) -> None:
    """Train what is left to train of a run, and show it; `go_on` is the command that resumes it."""
    with stop_on_signal() as stopped, LiveDisplay(console) as display:
        for event in run.run(stop=stopped):
            display.show(event.trainer, event.progress)
    if run.stopped:
        print(f"stopped; go on with: {go_on}")
        raise typer.Exit(130)
    console.print(Markdown((out / "summary.md").read_text(encoding="utf-8")))
    print(f"picture: {out / 'degradation.png'}")


@contextmanager
def stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Inside, the first Ctrl-C or SIGTERM asks to stop after the step; the second one stops."""
    asked = False

    def ask(number: int, _frame: object) -> None:
        nonlocal asked
        asked = True
        os.write(2, b"stopping after this step ...\n")  # print is not safe in a handler
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
