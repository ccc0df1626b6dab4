"""`minires step`: write a page to click through one training step."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import data
from ..data import Dataset
from ..errors import UsageError
from ..experiments.degradation import data_of
from ..experiments.stepping import Stepping, page_of
from ..runs import RunFolder, run_of
from .app import command, say
from .completion import nets_of
from .options import INTEGER, names, options_of
from .output import untrained_size, writing
from .shared import DataDir, Threads, data_loader


@command(
    "minires step plain20 resnet20 --out step.html",
    "minires step resnet20 --weights runs/degradation-1/weights/resnet20-seed0.safetensors",
)
@options_of(Stepping)
def step(
    asked: dict[str, Any],
    nets: Annotated[
        list[str],
        typer.Argument(
            autocompletion=nets_of("any"),
            help="One model, or two side by side: plain20 resnet20; resnet18.",
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="Page to write; step.html by default.", show_default=False)
    ] = Path("step.html"),
    dataset: Annotated[
        str | None,
        typer.Option(help="digits (shipped, the default) or cifar10; with --weights, the run's."),
    ] = None,
    data_dir: DataDir = None,
    size: Annotated[
        int | None,
        typer.Option(
            help="Height the images are enlarged to, a multiple of their own; by default 32, for "
            "nets of large images 224, and with --weights their own.",
            **INTEGER,
        ),
    ] = None,
    threads: Threads = None,
) -> None:
    """Write a page to click through one training step, forward and backward.

    One HTML file, without network: every operation with its formula and its code, feature maps,
    gradients and their norms, and what a residual addition does to a gradient.
    """
    config = Stepping(names(",".join(nets)), **asked)
    images = _images(config.weights, dataset, data_dir)
    height = images.train_images.shape[2]
    if config.weights is not None and size not in (None, height):
        say(untrained_size(height, size), file=sys.stderr)
    usual = height if config.weights else min(spec.image()[1] for spec in config.specs)
    page = page_of(config, images.enlarged(size or usual))
    with writing(out):
        page.save(out)
    say(f"page: {out} ({len(page.html) / 1e6:.1f} MB); open it in a browser")


def _images(weights: Path | None, name: str | None, data_dir: Path | None) -> Dataset:
    """Return the images that were asked for, or that a run trained the weights on, or digits."""
    run = run_of(weights) if weights is not None else None
    if name is not None or run is None:
        return data.load(name or "digits", data_dir)
    if RunFolder.open(run)[1].get("experiment") == "finetune":
        raise UsageError(
            f"{weights} is of a fine-tuned net, whose images step cannot show; where it looks: "
            f"minires classify IMAGE --weights {shlex.quote(str(weights))} --cam maps"
        )
    return data_of(run, data_loader(data_dir, download=False))
