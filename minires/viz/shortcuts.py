"""Teaching figure: nets as the paper draws them, a box a layer and an arc for each shortcut."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..models.summary import Stage, summary
from ..nn import Module
from ..text import printable
from .style import figure_bytes, new_figure, own_style

_LINE = "#222222"
# A kind of shortcut in a summary: its line style, and its name in the legend.
_KINDS = {
    "identity": ("-", "identity"),
    "projection": ("--", "projection: 1x1 convolution"),
    "zero channels": (":", "option A: every second pixel, zero channels"),
}


@own_style
def shortcuts_figure(
    nets: Sequence[tuple[str, Module]],
    image: tuple[int, int, int] = (3, 32, 32),
    form: str = "png",
    dpi: int = 100,
) -> bytes:
    """Return an image file with a line for each net, from image to logits.

    Compare figure 3 of He et al. 2015.

    Args:
        nets: a name and the model, plain or residual, of blocks.
        image: (C, H, W) of the input.
        form: "png", "svg" or "pdf".
        dpi: dots an inch; the figure is 7 inches wide.

    Raises:
        UsageError, ShapeError: a net does not take such an image.
    """
    from matplotlib.lines import Line2D  # here, so that importing minires stays quick

    figure = new_figure(7, 1.3 * len(nets) + 0.35, dpi)
    grid = figure.subplots(len(nets), 1, squeeze=False)[:, 0]
    drawn: set[str] = set()
    for axes, (name, net) in zip(grid, nets, strict=True):
        stages = summary(net, image)
        _draw_net(axes, stages)
        axes.set_title(printable(name), fontsize=10, loc="left", parse_math=False)
        drawn |= {part.shortcut for stage in stages for part in stage.parts}
    lines = [
        Line2D([], [], color=_LINE, ls=style, label=words)
        for kind, (style, words) in _KINDS.items()
        if kind in drawn
    ]
    if lines:
        figure.legend(handles=lines, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return figure_bytes(figure, form)


def _draw_net(axes: Any, stages: Sequence[Stage]) -> None:
    """Draw layers from left to right at x = 0, 1, 2, ..., and shortcuts as arcs over them."""
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    weighted = [stage for stage in stages if stage.macs]  # others, such as a ReLU, are not drawn
    shades = iter(colormaps["viridis"](np.linspace(0.9, 0.4, sum(map(_has_blocks, weighted)))))
    x = 0
    for stage in weighted:
        blocks = _has_blocks(stage)
        start, shade = x, next(shades) if blocks else "white"
        for part in stage.parts:
            first = x
            for _ in part.layers:
                box = Rectangle((x - 0.32, -0.45), 0.64, 0.9, fc=shade, ec=_LINE, lw=0.8)
                axes.add_patch(box)
                x += 1
            if part.shortcut:
                _arc(axes, first - 0.5, x - 0.5, _KINDS[part.shortcut][0])
        channels, *size = stage.parts[-1].shape
        label = f"{channels} channels\n{size[0]}x{size[1]}" if blocks else stage.name
        axes.text((start + x - 1) / 2, -0.6, label, ha="center", va="top", fontsize=8)
    axes.plot([0, x - 1], [0, 0], color=_LINE, lw=0.8, zorder=0)
    axes.set(xlim=(-0.8, x - 0.2), ylim=(-1.4, 1.3))
    axes.axis("off")


def _has_blocks(stage: Stage) -> bool:
    """Return whether this is a stage of blocks, and not a single layer."""
    return any(len(part.layers) > 1 for part in stage.parts)


def _arc(axes: Any, start: float, end: float, style: str) -> None:
    """Draw a shortcut from x = start to x = end, with a dot at the residual addition."""
    angle = np.linspace(0, np.pi, 41)
    x = (start + end) / 2 - (end - start) / 2 * np.cos(angle)
    y = 0.5 + 0.65 * np.sin(angle)
    axes.plot([start, *x, end], [0, *y, 0], style, color=_LINE, lw=1.4)
    axes.plot(end, 0, "o", color=_LINE, ms=3.5)
