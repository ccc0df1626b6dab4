"""`minires summary`: show the layers of a model and count its arithmetic."""

from itertools import groupby
from typing import Annotated

import typer
from rich.table import Table

from ..errors import UsageError
from ..models import NetSpec
from ..models.summary import PAPER_FLOPS, PAPER_PARAMETERS, Stage, compared, summary
from .app import app, console
from .options import names
from .shared import Input, ShortcutOption, StrideIn


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
    stages, name = summary(spec.build(), image), str(spec)
    console.print(_table(f"{name}, {_sizes(image)}", stages))
    parameters, macs = sum(s.parameters for s in stages), sum(s.macs for s in stages)
    print(f"{parameters:,} parameters, {macs:,} multiply-adds for one image")
    if name in PAPER_PARAMETERS:
        print(f"the paper's: {PAPER_PARAMETERS[name] / 1e6:g} million parameters")
    if name in PAPER_FLOPS and image == spec.image():
        flops = PAPER_FLOPS[name] / 1e9
        print(f"the paper's: {flops:g} billion multiply-adds (which it calls FLOPs)")


def _show_comparison(wanted: tuple[str, ...]) -> None:
    blocks = compared()
    if not wanted or not set(wanted) <= set(blocks):
        given = ", ".join(wanted) or "nothing"
        raise UsageError(f"--compare knows {', '.join(blocks)}; got {given}")
    stages = [Stage(name, (blocks[name],)) for name in wanted]
    console.print(_table("blocks on 256 channels", stages))
    if len(stages) == 2:
        less, more = sorted(stages, key=lambda stage: stage.parameters)
        times = more.parameters / less.parameters
        print(f"{more.name} has {times:.1f} times the parameters of {less.name}")


def _table(title: str, stages: list[Stage]) -> Table:
    table = Table("stage", "output", "layers", "shortcut", title=title)
    for column in ("parameters", "multiply-adds"):
        table.add_column(column, justify="right")
    for stage in stages:
        for (layers, shortcut), group in groupby(stage.parts, lambda p: (p.layers, p.shortcut)):
            same, text = Stage(stage.name, tuple(group)), "; ".join(layers)
            text = f"({text}) x {len(same.parts)}" if len(same.parts) > 1 else text
            numbers = f"{same.parameters:,}", f"{same.macs:,}"
            table.add_row(stage.name, _sizes(same.parts[-1].shape), text, shortcut, *numbers)
    return table


def _sizes(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
