"""The `minires` command."""

import io
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from . import __version__, data
from .data import Dataset
from .errors import GradientError, MiniresError, RunError, UsageError
from .experiments import gradchecks
from .experiments.config import Config
from .experiments.degradation import Degradation
from .files import write_atomically
from .train import RunFolder, read_history
from .viz.curves import degradation_figure
from .viz.live import LiveDisplay


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"expected an integer, got {text!r}") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"expected a number, got {text!r}") from None


app = typer.Typer(
    help="Understand residual networks: train them, watch them, check their gradients.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()
_PICTURES = ("png", "svg", "pdf")


def main() -> None:
    """Run the command line; a minires error is one sentence and an exit code, no traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a "±" must not end a run on an ASCII terminal
    try:
        app()
    except MiniresError as error:
        Console(stderr=True, soft_wrap=True).print(
            f"minires: {error}", style="red", markup=False, highlight=False
        )
        sys.exit(error.exit_code)


@app.callback(invoke_without_command=True)
def version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Understand residual networks: train them, watch them, check their gradients."""
    if version:
        print(f"minires {__version__}")
        raise typer.Exit


@app.command()
def degradation(
    dataset: Annotated[
        str | None, typer.Option(help="digits (shipped, the default) or cifar10.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder with CIFAR-10's binary files.")
    ] = None,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch CIFAR-10 from its home (170 MB), once.")
    ] = False,
    nets: Annotated[
        str | None,
        typer.Option(help="plain or resnet and a depth of 6n + 2, by commas: plain20,resnet110."),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Passes over the training images, if not the schedule's.",
            parser=_integer,
            metavar="INTEGER",
        ),
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(
            help="Learning rate at the start, if not the schedule's.",
            parser=_number,
            metavar="NUMBER",
        ),
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(help="quick (minutes, the default) or paper (64,000 iterations a net)."),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="By commas; each net is trained once for each.")
    ] = None,
    backend: Annotated[str | None, typer.Option(help="numpy (the default) or cupy.")] = None,
    validation: Annotated[
        bool | None,
        typer.Option(
            "--validation", help="Test on held-out training images, not on the test images."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder to make; runs/degradation-N by default.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
) -> None:
    """Train plain and residual nets, and see which of them depth harms.

    Without options: plain-20, plain-56, resnet-20 and resnet-56 on digits, some minutes.
    The run folder gets config.json, history.csv, degradation.png and summary.md.
    """
    asked: dict[str, Any] = {
        "dataset": dataset,
        "nets": _names(nets),
        "epochs": epochs,
        "lr": lr,
        "schedule": schedule,
        "seeds": _integers(seeds),
        "backend": backend,
        "validation": validation,
    }
    asked = {name: value for name, value in asked.items() if value is not None}

    def load_data(config: Config) -> Dataset:
        return data.load(config.dataset, data_dir, download)

    if resume:
        if out is None:
            raise UsageError("--resume needs --out, the folder of the run to go on with")
        run = Degradation.resume(asked, out, load_data)
    else:
        config = Config(**asked)
        out = out or _free_folder(Path("runs"), "degradation")
        run = Degradation.start(config, load_data(config), out)
    again = ["minires", "degradation", "--resume", "--out", str(out)]
    again += ["--data-dir", str(data_dir)] if data_dir else []
    again += ["--download"] if download else []
    _train(run, out, go_on=shlex.join(again))


def _train(run: Degradation, out: Path, go_on: str) -> None:
    with _stop_on_signal() as stopped, LiveDisplay(console) as display:
        for event in run.run(stop=stopped):
            display.show(event.trainer, event.progress)
    if run.stopped:
        print(f"stopped; go on with: {go_on}")
        raise typer.Exit(130)
    console.print(Markdown((out / "summary.md").read_text(encoding="utf-8")))
    print(f"picture: {out / 'degradation.png'}")


@app.command()
def plot(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Picture to write; the run's own degradation.png for a single run."),
    ] = None,
) -> None:
    """Draw the picture of one or several runs again, from their files."""
    panels = []
    for path in runs:
        _, facts = RunFolder.open(path)
        rows = read_history(path / "history.csv")
        if not rows:
            raise UsageError(f"the run in {path} has no finished epoch to draw yet")
        title = str(facts.get("data", path.name))
        panels.append((title if len(runs) == 1 else f"{path.name} ({title})", rows))
    if out is None:
        if len(runs) > 1:
            raise UsageError("several runs make one picture: say where to write it with --out")
        out = runs[0] / "degradation.png"
    form = out.suffix.removeprefix(".")
    if form not in _PICTURES:
        raise UsageError(f"--out must end in .{', .'.join(_PICTURES)}, got {out}")
    try:
        write_atomically(out, degradation_figure(panels, form))
    except OSError as error:
        raise RunError(f"{out} cannot be written: {error.strerror or error}") from error
    print(f"picture: {out}")


@app.command()
def gradcheck() -> None:
    """Check every hand-written backward pass numerically, on this machine."""
    table = Table("operation", "case", "largest difference", "time", "")
    results = [gradchecks.check(case) for case in gradchecks.cases()]
    for result in results:
        table.add_row(
            result.case.op.__name__,
            result.case.label,
            f"{result.error:.1e}",
            f"{1000 * result.seconds:.0f} ms",
            "[red]wrong" if result.failure else "ok",
        )
    console.print(table)
    failures = [result for result in results if result.failure]
    if failures:
        lines = (f"{r.case.op.__name__} ({r.case.label}), {r.failure}" for r in failures)
        raise GradientError(f"{len(failures)} of {len(results)} checks failed\n" + "\n".join(lines))
    print(f"{len(results)} checks, all passed")


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


def _integers(text: str | None) -> tuple[int, ...] | None:
    names = _names(text)
    try:
        return None if names is None else tuple(int(name) for name in names)
    except ValueError:
        raise UsageError(f"--seeds must be integers with commas between, got {text!r}") from None


def _free_folder(parent: Path, name: str) -> Path:
    """The first of parent/name-1, parent/name-2, ... that is not there."""
    number = 1
    while (parent / f"{name}-{number}").exists():
        number += 1
    return parent / f"{name}-{number}"


@contextmanager
def _stop_on_signal() -> Iterator[Callable[[], bool]]:
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
