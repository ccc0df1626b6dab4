"""The application that the commands are registered in, and how its errors are printed."""

import inspect
import io
import os
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, TextIO, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from .. import __version__
from ..errors import (
    DamageWarning,
    MachineWarning,
    MiniresError,
    NameWarning,
    UsageError,
    not_enough_memory,
)
from ..kernels.cpu.tuning import check_environment
from ..parallel.ranks import first_of_machine, world
from ..text import printable
from .launched import on_all_ranks

app = typer.Typer(
    help="Understand residual networks: train them, watch them, check their gradients.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


_TOGETHER = ("degradation",)  # the commands that many ranks can run together


class _Console(Console):
    """A console whose closed pipe is an error like others; rich's own ends the process at once."""

    def on_broken_pipe(self) -> None:
        raise  # the BrokenPipeError


console = _Console()

Function = TypeVar("Function", bound=Callable[..., None])


def command(*examples: str) -> Callable[[Function], Function]:
    """Return a decorator that registers a command of the name of its module.

    Its help is its docstring, in which brackets are text, and the examples.
    """

    def register(function: Function) -> Function:
        paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
        return app.command(
            function.__module__.rpartition(".")[2],
            help=escape("\n\n".join(" ".join(part.split()) for part in paragraphs)),
            epilog=escape("\n\n".join(["Examples:", *examples])),
        )(function)

    return register


def main() -> None:
    """Run the command line: an error of minires, or of an output that cannot be written, becomes
    a message and an exit code, without a traceback; a warning about a file becomes a message."""
    _open_closed_streams()
    os.environ["MPLBACKEND"] = "agg"  # a notebook's cell leaves its own, which may not be here
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a "±" must not end a run on an ASCII terminal
    show = warnings.showwarning

    def show_warning(
        message: Warning | str, category: type[Warning], *place: Any, **more: Any
    ) -> None:
        if issubclass(category, (DamageWarning, MachineWarning, NameWarning)):
            _print_message(str(message), "yellow")
        else:
            show(message, category, *place, **more)

    warnings.showwarning = show_warning
    try:
        code = on_all_ranks(_run)
    except UsageError as error:  # of mpi4py, without which ranks cannot speak to each other
        code = error.exit_code
        if first_of_machine():
            _print_message(str(error), "red")
    sys.exit(code)


def _run() -> str | int | None:
    """Run the application, and return its exit code; an output that cannot be written is one."""
    code: str | int | None = 1
    try:
        code = _exit_code()
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        reason = error.strerror or error
        if error.filename is None:
            discard(sys.stdout)
            _print_message(f"the output cannot be written: {reason}", "red")
        else:
            _print_message(f"{error.filename} cannot be used: {reason}", "red")
        code = code or 1
    return code


def _exit_code() -> str | int | None:
    """Run the application; an error of minires, or a lack of memory, becomes a message."""
    try:
        app()
    except MiniresError as error:
        _print_message(str(error), "red")
        return error.exit_code
    except MemoryError as error:
        _print_message(not_enough_memory(error), "red")
        return 1
    except SystemExit as ended:
        return ended.code
    return 0


def discard(stream: TextIO | None) -> None:
    """Drop what a stream that cannot be written still holds, and all that will be written to it."""
    if stream is not None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _open_closed_streams() -> None:
    """Open those of the standard streams that are closed; else the next file would be one."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it gets the lowest number


def say(*lines: str, file: TextIO | None = None, flush: bool = False) -> None:
    """Print lines, to the standard output by default; no name in them can control the terminal."""
    for line in lines:
        print(printable(line), file=file, flush=flush)


def _print_message(message: str, colour: str) -> None:
    try:
        _Console(stderr=True, soft_wrap=True).print(
            printable(f"minires: {message}", keep="\n"),
            style=colour,
            markup=False,
            highlight=False,
        )
    except OSError:
        with suppress(OSError):
            discard(sys.stderr)


@app.callback(invoke_without_command=True)
def version(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Understand residual networks: train them, watch them, check their gradients."""
    ranks = world()
    ranks.expect_same({"command": context.invoked_subcommand})
    if version:
        say(f"minires {__version__}")
        raise typer.Exit
    check_environment()
    if ranks.size > 1 and context.invoked_subcommand not in _TOGETHER:
        raise UsageError(
            f"{context.invoked_subcommand} runs in one process: leave out mpiexec, which is for "
            f"{', '.join(_TOGETHER)}"
        )
