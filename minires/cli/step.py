"""`minires step`: write a page to click through one training step."""

from pathlib import Path
from typing import Annotated, Any

import typer

from .. import data
from ..experiments.stepping import Stepping, page_of
from .app import app, say
from .options import INTEGER, names, options_of
from .output import writing
from .shared import DataDir


@app.command()
@options_of(Stepping)
def step(
    asked: dict[str, Any],
    nets: Annotated[
        list[str], typer.Argument(help="One model, or two side by side: plain20 resnet20.")
    ],
    out: Annotated[Path, typer.Option(help="Page to write.")] = Path("step.html"),
    dataset: Annotated[str, typer.Option(help="digits (shipped) or cifar10.")] = "digits",
    data_dir: DataDir = None,
    size: Annotated[
        int,
        typer.Option(help="Height the images are enlarged to, a multiple of their own.", **INTEGER),
    ] = 32,
) -> None:
    """Write a page to click through one training step, forward and backward.

    One HTML file, without network: every operation with its formula and its code, feature maps,
    gradients and their norms, and what a residual addition does to a gradient.
    """
    config = Stepping(names(",".join(nets)), **asked)
    page = page_of(config, data.load(dataset, data_dir).enlarged(size))
    with writing(out):
        page.save(out)
    say(f"page: {out} ({len(page.html) / 1e6:.1f} MB); open it in a browser")
