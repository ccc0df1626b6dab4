"""The application that the commands belong to, and how it ends."""

import io
import sys
from typing import Annotated

import typer
from rich.console import Console

from .. import __version__
from ..errors import MiniresError

app = typer.Typer(
    help="Understand residual networks: train them, watch them, check their gradients.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()


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
