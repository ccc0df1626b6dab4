"""`minires summary`: what a net is made of."""

from itertools import groupby
from typing import Annotated

import typer
from rich.table import Table

from ..errors import UsageError
from ..models import NetSpec
from ..models.summary import PAPER_FLOPS, PAPER_PARAMETERS, Stage, compared, summary
from .app import app, console
from .options import ShortcutOption, StrideIn, names, shape

_SIZE = 56  # of the maps on which blocks are compared: conv2_x of a 224x224 image


@app.command(name="summary")
def show_summary(
    net: Annotated[
        str | None,
        typer.Argument(
            help="resnet18, 34, 50, 101 or 152, plain18 or plain34; other depths are CIFAR's."
        ),
    ] = None,
    image: Annotated[
        str | None, typer.Option("--input", help="Channels, height and width, such as 3x224x224.")
    ] = None,
    shortcut: ShortcutOption = None,
    stride_in: StrideIn = "3x3",
    compare: Annotated[
        str | None, typer.Option(help="The arithmetic of two blocks: basic,bottleneck.")
    ] = None,
) -> None:
    """Show a net's stages, blocks, sizes, parameters and multiply-adds, beside the paper's."""
    if compare is not None:
        _show_comparison(names(compare) or ())
    if net is None:
        if compare is None:
            raise UsageError("say which net, such as resnet50, or --compare basic,bottleneck")
        return
    spec = NetSpec.parse(net, "any", shortcut, stride_in)
    size = spec.image() if image is None else shape(image)
    stages = summary(spec.build(), size)
    console.print(_table(net, stages, size))
    _show_totals(net, stages, at_usual_size=image is None)


def _table(net: str, stages: list[Stage], image: tuple[int, int, int]) -> Table:
    table = Table("stage", "output", "layers", "shortcut", title=f"{net}, {_sizes(image)}")
    for column in ("parameters", "multiply-adds"):
        table.add_column(column, justify="right")
    for stage in stages:
        for number, (same, group) in enumerate(
            groupby(stage.parts, lambda part: (part.layers, part.shortcut))
        ):
            parts = list(group)
            layers = "; ".join(same[0])
            table.add_row(
                stage.name if number == 0 else "",
                _sizes(parts[-1].shape),
                f"({layers}) x {len(parts)}" if len(parts) > 1 else layers,
                same[1],
                f"{sum(p.parameters for p in parts):,}",
                f"{sum(p.macs for p in parts):,}",
            )
    return table


def _show_totals(net: str, stages: list[Stage], at_usual_size: bool) -> None:
    parameters, macs = sum(s.parameters for s in stages), sum(s.macs for s in stages)
    paper = []
    if net in PAPER_PARAMETERS:
        paper.append(f"{PAPER_PARAMETERS[net] / 1e6:g} million parameters")
    if net in PAPER_FLOPS and at_usual_size:
        paper.append(f"{PAPER_FLOPS[net] / 1e9:g} billion multiply-adds (which it calls FLOPs)")
    print(f"{parameters:,} parameters, {macs:,} multiply-adds for one image")
    if paper:
        print(f"the paper's: {', '.join(paper)}")


def _show_comparison(wanted: tuple[str, ...]) -> None:
    blocks = compared(size=_SIZE)
    unknown = [name for name in wanted if name not in blocks]
    if unknown or not wanted:
        given = ", ".join(wanted) or "nothing"
        raise UsageError(f"--compare knows {', '.join(blocks)}; got {given}")
    table = Table("block on 256 channels", "layers")
    for column in ("weights", f"multiply-adds, {_SIZE}x{_SIZE}"):
        table.add_column(column, justify="right")
    for name in wanted:
        block = blocks[name]
        layers = "; ".join(block.layers)
        table.add_row(name, layers, f"{block.parameters:,}", f"{block.macs:,}")
    console.print(table)
    if len(wanted) == 2:
        less, more = sorted(wanted, key=lambda name: blocks[name].parameters)
        times = blocks[more].parameters / blocks[less].parameters
        print(f"{more} has {times:.1f} times the weights of {less}")


def _sizes(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
