"""`minires step`: a page to click through one training step."""

from pathlib import Path
from typing import Annotated

import typer

from .. import data
from ..errors import RunError
from ..experiments.stepping import Stepping, page_of
from .app import app
from .options import DataDir, names


@app.command()
def step(
    nets: Annotated[
        list[str], typer.Argument(help="One net, or two side by side: plain20 resnet20.")
    ],
    out: Annotated[Path, typer.Option(help="Page to write.")] = Path("step.html"),
    dataset: Annotated[str, typer.Option(help="digits (shipped) or cifar10.")] = "digits",
    data_dir: DataDir = None,
    size: Annotated[
        int, typer.Option(help="Height the images are enlarged to, a multiple of their own.")
    ] = 32,
    batch: Annotated[int, typer.Option(help="Images in the step.")] = 16,
    image: Annotated[int, typer.Option(help="The image of the batch whose maps are shown.")] = 0,
    channels: Annotated[int, typer.Option(help="Maps shown of each operation.")] = 8,
    after: Annotated[int, typer.Option(help="Train so many steps first.")] = 0,
    weights: Annotated[
        Path | None, typer.Option(help="Begin with the weights of a file (safetensors, .pth).")
    ] = None,
    path: Annotated[
        str | None, typer.Option(help="Show this module alone: layer1.0, or layer2.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the initial weights and the images.")] = 0,
) -> None:
    """Write a page to click through one training step, forward and backward.

    One HTML file, without network: every operation with its formula and its code, feature maps,
    gradients and their norms, and what a residual join does to a gradient.
    """
    config = Stepping(
        names(",".join(nets)) or (), batch, image, channels, after, weights, path, seed
    )
    page = page_of(config, data.load(dataset, data_dir).enlarged(size))
    try:
        page.save(out)
    except OSError as error:
        raise RunError(f"{out} cannot be written: {error.strerror or error}") from error
    print(f"page: {out} ({len(page.html) / 1e6:.1f} MB); open it in a browser")
