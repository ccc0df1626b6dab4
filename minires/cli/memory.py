"""`minires memory`: predict the memory of a training step."""

from typing import Annotated

import typer

from ..errors import UsageError
from ..inspect.graph import size_text
from ..inspect.memory import Memory, Profile, available
from ..models import NetSpec
from .app import command, say
from .options import INTEGER
from .output import new_table, show_table
from .shared import NET, Input


@command(
    "minires memory resnet1202 --batch 128 --checkpoint-every 14",
    "minires memory resnet50 --batch 32",
)
def memory(
    net: Annotated[str, NET],
    batch: Annotated[
        int,
        typer.Option(
            help="Images in a training step; 128 by default.", show_default=False, **INTEGER
        ),
    ] = 128,
    image: Input = None,
    checkpoint_every: Annotated[
        int | None,
        typer.Option(
            help="Blocks in a segment; the number that needs least, by default.", **INTEGER
        ),
    ] = None,
) -> None:
    """Predict the memory of a training step, with activation checkpointing and without.

    It is read from the graph of a batch of two images, and within a tenth of what is then measured;
    for nets for large images it may be a fifth too much.
    The interpreter and its libraries take about 0.1 GB more.
    """
    spec = NetSpec.parse(net, "any")
    profile, there = Profile.of(spec, image or spec.image()), available()
    parts = ("weights", "kept", "segment", "moving", "in all")
    table = new_table(None, f"{spec.name}, batch {batch}", numbers=parts)
    ways: dict[str, int | None] = {"keeping all": None}
    table.add_row("all is kept", *_cells(profile.memory(batch, None)))
    if spec.family == "cifar":  # the others are not built with activation checkpointing
        every = checkpoint_every or profile.best_checkpoint(batch)
        ways[f"--checkpoint-every {every}"] = every
        saving = profile.memory(batch, every)
        table.add_row(f"checkpoint every {every} blocks", *_cells(saving))
    elif checkpoint_every is not None:
        raise UsageError(f"{spec.name} is not built with activation checkpointing, as others are")
    show_table(table)
    for way, option in ways.items():
        most = profile.largest_batch(there, option)
        say(f"{way}: a batch of up to {most:,} fits into the {size_text(there)} that are free")


def _cells(needed: Memory) -> list[str]:
    parts = (needed.weights, needed.kept, needed.segment, needed.moving, needed.total)
    return [size_text(part) if part else "" for part in parts]
