"""`minires summary`: show the layers of a model and count its arithmetic."""

from itertools import groupby
from typing import Annotated

import typer
from rich.table import Table

from ..errors import UsageError
from ..models import NetSpec
from ..models.summary import PAPER_FLOPS, PAPER_PARAMETERS, Stage, compared, summary
from .app import command, say
from .options import names
from .output import new_table, show_table, sizes
from .shared import NET, Input, ShortcutOption, StrideIn


@command(
    "minires summary resnet50",
    "minires summary --compare basic,bottleneck",
)
def show_summary(
    net: Annotated[str | None, NET] = None,
    image: Input = None,
    shortcut: ShortcutOption = None,
    stride_in: StrideIn = "3x3",
    compare: Annotated[str | None, typer.Option(help="Two blocks: basic,bottleneck.")] = None,
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
    stages, name = summary(spec.build(), image), spec.name
    show_table(_table(f"{name}, {sizes(image)}", stages))
    parameters, macs = sum(s.parameters for s in stages), sum(s.macs for s in stages)
    say(f"{parameters:,} parameters, {macs:,} multiply-adds for one image")
    if name in PAPER_PARAMETERS:
        say(f"the paper's: {PAPER_PARAMETERS[name] / 1e6:g} million parameters")
    if name in PAPER_FLOPS and image == spec.image():
        flops = PAPER_FLOPS[name] / 1e9
        say(f"the paper's: {flops:g} billion multiply-adds (which it calls FLOPs)")


def _show_comparison(wanted: tuple[str, ...]) -> None:
    stages = [Stage(name, (part,)) for name, part in compared(wanted).items()]
    show_table(_table("blocks on 256 channels", stages))
    if len(stages) == 2:
        less, more = sorted(stages, key=lambda stage: stage.parameters)
        times = more.parameters / less.parameters
        say(f"{more.name} has {times:.1f} times the parameters of {less.name}")


def _table(title: str, stages: list[Stage]) -> Table:
    texts, numbers = ("stage", "output", "layers", "shortcut"), ("parameters", "multiply-adds")
    table = new_table(title, *texts, numbers=numbers)
    for stage in stages:
        for (layers, shortcut), group in groupby(stage.parts, lambda p: (p.layers, p.shortcut)):
            same, text = Stage(stage.name, tuple(group)), "; ".join(layers)
            text = f"({text}) x {len(same.parts)}" if len(same.parts) > 1 else text
            cells = stage.name, sizes(same.parts[-1].shape), text, shortcut
            table.add_row(*cells, f"{same.parameters:,}", f"{same.macs:,}")
    return table
