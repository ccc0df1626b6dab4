"""The application that the commands are registered in, and how its errors are printed."""

import io
import sys
import warnings
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console

from .. import __version__
from ..errors import DamageWarning, MiniresError
from ..text import printable

app = typer.Typer(
    help="Understand residual networks: train them, watch them, check their gradients.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()


def main() -> None:
    """Run the command line: an error of minires becomes a message and an exit code, without a
    traceback; a warning about a damaged file becomes a message."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a "±" must not end a run on an ASCII terminal
    show = warnings.showwarning

    def show_warning(
        message: Warning | str, category: type[Warning], *place: Any, **more: Any
    ) -> None:
        if issubclass(category, DamageWarning):
            _print_message(str(message), "yellow")
        else:
            show(message, category, *place, **more)

    warnings.showwarning = show_warning
    try:
        app()
    except MiniresError as error:
        _print_message(str(error), "red")
        sys.exit(error.exit_code)


def say(*lines: str, file: TextIO | None = None) -> None:
    """Print lines, to the standard output by default; no name in them can control the terminal."""
    for line in lines:
        print(printable(line), file=file)


def _print_message(message: str, colour: str) -> None:
    Console(stderr=True, soft_wrap=True).print(
        printable(f"minires: {message}", keep="\n"), style=colour, markup=False, highlight=False
    )


@app.callback(invoke_without_command=True)
def version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Understand residual networks: train them, watch them, check their gradients."""
    if version:
        say(f"minires {__version__}")
        raise typer.Exit
