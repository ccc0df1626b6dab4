"""`minires summary`: what a model is made of."""

from itertools import groupby
from typing import Annotated

import typer
from rich.table import Table

from ..errors import UsageError
from ..models import NetSpec
from ..models.summary import PAPER_FLOPS, PAPER_PARAMETERS, Part, compared, summary
from .app import app, console
from .options import Input, ShortcutOption, StrideIn, names


@app.command(name="summary")
def show_summary(
    net: Annotated[
        str | None,
        typer.Argument(
            help="resnet18, 34, 50, 101 or 152, plain18 or plain34; other depths are CIFAR's."
        ),
    ] = None,
    image: Input = None,
    shortcut: ShortcutOption = None,
    stride_in: StrideIn = "3x3",
    compare: Annotated[
        str | None, typer.Option(help="The arithmetic of two blocks: basic,bottleneck.")
    ] = None,
) -> None:
    """Show a model's stages, blocks, sizes, parameters and multiply-adds, beside the paper's."""
    if compare is not None:
        _show_comparison(names(compare))
    elif net is None:
        raise UsageError("say which model, such as resnet50, or --compare basic,bottleneck")
    if net is not None:
        spec = NetSpec.parse(net, "any", shortcut, stride_in)
        _show(spec, image or spec.image())


def _show(spec: NetSpec, image: tuple[int, int, int]) -> None:
    table = _table(f"{spec}, {_sizes(image)}", "stage", "output", "layers", "shortcut")
    stages = summary(spec.build(), image)
    for stage in stages:
        name = stage.name
        for (layers, shortcut), group in groupby(stage.parts, lambda p: (p.layers, p.shortcut)):
            parts, text = list(group), "; ".join(layers)
            text = f"({text}) x {len(parts)}" if len(parts) > 1 else text
            table.add_row(name, _sizes(parts[-1].shape), text, shortcut, *_numbers(*parts))
            name = ""
    console.print(table)
    parameters, macs = _numbers(*(part for stage in stages for part in stage.parts))
    print(f"{parameters} parameters, {macs} multiply-adds for one image")
    paper = []
    if str(spec) in PAPER_PARAMETERS:
        paper.append(f"{PAPER_PARAMETERS[str(spec)] / 1e6:g} million parameters")
    if str(spec) in PAPER_FLOPS and image == spec.image():
        macs = f"{PAPER_FLOPS[str(spec)] / 1e9:g}"
        paper.append(f"{macs} billion multiply-adds (which it calls FLOPs)")
    if paper:
        print(f"the paper's: {', '.join(paper)}")


def _show_comparison(wanted: tuple[str, ...]) -> None:
    blocks = compared()
    if not wanted or not set(wanted) <= set(blocks):
        given = ", ".join(wanted) or "nothing"
        raise UsageError(f"--compare knows {', '.join(blocks)}; got {given}")
    height, width = blocks[wanted[0]].shape[1:]
    table = _table(None, f"block on 256 channels, {height}x{width}", "layers")
    for name in wanted:
        table.add_row(name, "; ".join(blocks[name].layers), *_numbers(blocks[name]))
    console.print(table)
    if len(wanted) == 2:
        less, more = sorted(wanted, key=lambda name: blocks[name].parameters)
        times = blocks[more].parameters / blocks[less].parameters
        print(f"{more} has {times:.1f} times the parameters of {less}")


def _table(title: str | None, *columns: str) -> Table:
    table = Table(*columns, title=title)
    for column in ("parameters", "multiply-adds"):
        table.add_column(column, justify="right")
    return table


def _numbers(*parts: Part) -> tuple[str, str]:
    return f"{sum(p.parameters for p in parts):,}", f"{sum(p.macs for p in parts):,}"


def _sizes(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
