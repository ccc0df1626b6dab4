"""A run in its folder: started or resumed, shown live, stopped with its state saved."""

import os
import select
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

import typer

from ..errors import OutOfMemoryError, RunError, UsageError, not_enough_memory
from ..parallel.ranks import world
from ..runs.autosave import Event
from ..viz.live import LiveDisplay
from .app import console, discard, say

E = TypeVar("E")
E_co = TypeVar("E_co", covariant=True)


class Run(Protocol[E_co]):
    """A run of an experiment: a generator of its events, which can be asked to stop."""

    stopped: bool

    def run(self, stop: Callable[[], bool] = lambda: False) -> Iterator[E_co]:
        """Compute what is left to compute."""


def run_folder(command: str, out: Path | None, resume: bool = False) -> Path:
    """Return `out`, or the first of runs/COMMAND-1, runs/COMMAND-2, ... that does not exist.

    Raises:
        UsageError: a run is to be resumed, but `out` does not say which.
    """
    if resume and out is None:
        raise UsageError("--resume needs --out, the folder of the run to resume")
    number = 1
    while (default := Path("runs", f"{command}-{number}")).exists():
        number += 1
    return out or default


def resume_command(command: str, out: Path, *arguments: Path, **options: Any) -> str:
    """Return the command line that resumes the run in `out`, with those options that are set."""
    words = ["minires", command, "--resume", "--out", str(out)]
    for name, value in options.items():
        if value:
            words.append(f"--{name.replace('_', '-')}")
            words += [] if value is True else [str(value)]
    return shlex.join([*words, *map(str, arguments)])


def follow(run: Run[E], display: AbstractContextManager[Callable[[E], None]], again: str) -> None:
    """Run to the end, or until a signal asks to stop: then print how to resume, exit with 130.

    Args:
        run: what is run.
        display: gives the function that shows an event.
        again: the command that resumes the run.

    Raises:
        RunError: the output cannot be written, such as a closed pipe; the run was stopped for it.
        OutOfMemoryError: there is not enough memory; with how to resume.
    """
    failures: list[OSError] = []
    with stop_on_signal() as asked, display as show:
        try:
            for event in run.run(stop=lambda: asked() or bool(failures)):
                with _noted(failures):
                    show(event)
        except MemoryError as error:
            known = isinstance(error, OutOfMemoryError)
            what = str(error) if known else not_enough_memory(error)
            raise OutOfMemoryError(
                f"{what}; what is saved stays: when there is more memory, resume with: {again}"
            ) from error
    if run.stopped:
        with _noted(failures):
            say(f"stopped; resume with: {again}", flush=True)
    if failures:
        discard(sys.stdout)
        if not asked():
            reason = failures[0].strerror or failures[0]
            raise RunError(f"the output cannot be written: {reason}; resume with: {again}")
    if run.stopped:
        raise typer.Exit(130)


@contextmanager
def _noted(failures: list[OSError]) -> Iterator[None]:
    """Inside, an OSError ends nothing but what is inside, and is added to the list."""
    try:
        yield
    except OSError as error:
        failures.append(error)


def train(run: Run[Event], again: str, **how: Any) -> None:
    """Train what is left to train of a run, and show it.

    Args:
        run: what is trained.
        again: the command that resumes the run.
        how: see `LiveDisplay`.
    """
    follow(run, _live(**how), again)


@contextmanager
def _live(**how: Any) -> Iterator[Callable[[Event], None]]:
    with LiveDisplay(console, **how) as display:
        yield lambda event: display.show(event.trainer, event.progress)


@contextmanager
def stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Inside, a first signal asks to stop after the step; a second one stops.

    The signals are Ctrl-C, SIGTERM, and SIGHUP, of a terminal that is closed, unless it is ignored
    as under nohup.
    """
    asked = False

    def ask(number: int, _frame: object) -> None:
        nonlocal asked
        asked = True
        signal.signal(number, before[signal.Signals(number)])
        if world().rank == 0:  # a terminal's Ctrl-C is for all
            _say(b"stopping after this step ...\n")

    signals = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signals.append(signal.SIGHUP)
    before = {number: signal.signal(number, ask) for number in signals}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(message: bytes) -> None:
    """Write to stderr, unless it is closed, full or not read: print is not safe in a handler."""
    with suppress(OSError):
        if sys.platform == "win32" or select.select([], [2], [], 0)[1]:
            os.write(2, message)
