"""`minires lab`: two nets that learn in a browser, to be changed while they do."""

from pathlib import Path
from typing import Annotated

import typer

from ..lab.opening import open_lab
from .app import command, say
from .options import INTEGER
from .shared import DataDir, Threads


@command("minires lab --no-open --port 8000", "minires lab --folder flowers")
def lab(
    address: Annotated[
        str, typer.Argument(help="The link of a session, or what is in it after the #.")
    ] = "",
    open_: Annotated[
        bool,
        typer.Option(
            "--open/--no-open",
            help="Open the page in a browser (the default).",
            show_default=False,
        ),
    ] = True,
    port: Annotated[
        int,
        typer.Option(
            help="Port on this machine; one that is free by default.",
            show_default=False,
            **INTEGER,
        ),
    ] = 0,
    data_dir: DataDir = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="Folder of images, one folder a class: data for the nets, 32x32 pixels."),
    ] = None,
    threads: Threads = None,
) -> None:
    """Watch two nets learn, and change them while they do: cut a shortcut, freeze a block.

    Serves a page to this machine alone, until Ctrl-C. It needs what pip install ".[lab]"
    brings, in a copy of the repository.
    """
    served = open_lab(address, port, data_dir, folder)
    say(f"laboratory: {served.url}", "Ctrl-C ends it", flush=True)
    served.run(show=open_)
    say("ended")
