"""`minires lab`: two nets that learn in a browser, to be changed while they do."""

from typing import Annotated

import typer

from ..errors import RunError, UsageError
from ..lab import parse_address
from .app import app, say
from .options import INTEGER
from .shared import DataDir


@app.command()
def lab(
    address: Annotated[
        str, typer.Argument(help="The link of a session, or what is in it after the #.")
    ] = "",
    open_: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in a browser (the default).")
    ] = True,
    port: Annotated[
        int, typer.Option(help="Port on this machine; one that is free by default.", **INTEGER)
    ] = 0,
    data_dir: DataDir = None,
) -> None:
    """Watch two nets learn, and change them while they do: cut a shortcut, freeze a block.

    Serves a page to this machine alone, until Ctrl-C. Needs pip install "minires[lab]".
    """
    if not 0 <= port <= 65_535:
        raise UsageError(f"port must be between 0 and 65535, got {port}")
    link = address if "#" in address or "://" not in address else ""
    parse_address(link)  # a link that is none ends the command, not its training
    try:
        from ..lab.server import HOST, Served
    except ImportError as error:
        raise UsageError(
            f"minires lab needs a web server, which cannot be imported ({error}); "
            'pip install "minires[lab]"'
        ) from error
    try:
        served = Served(link, port, data_dir)
    except OSError as error:
        raise RunError(
            f"port {port} of {HOST} cannot be used: {error.strerror or error}"
        ) from error
    say(f"laboratory: {served.url}", "Ctrl-C ends it", flush=True)
    served.run(show=open_)
    say("ended")
