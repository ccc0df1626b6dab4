"""Training as the commands do it: shown live, and stopped in good order."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import typer
from rich.markdown import Markdown

from ..runs.autosave import Event
from ..viz.live import LiveDisplay
from .app import console


class Run(Protocol):
    """A run of an experiment: a generator of its events, which can be asked to stop."""

    stopped: bool

    def run(self, stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Train what is left to train."""


def train(run: Run, display: LiveDisplay, out: Path, picture: str, go_on: str) -> None:
    """Train what is left to train of a run, and show it.

    Args:
        run: what is trained.
        display: shows the steps.
        out: the run's folder, in which it leaves summary.md and `picture`.
        picture: the name of a file.
        go_on: the command that resumes the run.
    """
    with stop_on_signal() as stopped, display:
        for event in run.run(stop=stopped):
            display.show(event.trainer, event.progress)
    if run.stopped:
        print(f"stopped; go on with: {go_on}")
        raise typer.Exit(130)
    console.print(Markdown((out / "summary.md").read_text(encoding="utf-8")))
    print(f"picture: {out / picture}")


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
