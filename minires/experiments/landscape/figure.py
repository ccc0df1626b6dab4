"""The figure of a landscape run: loss surfaces as contours and reliefs (Li et al. 2018)."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...backend import Array
from ...viz.style import GREY, figure_bytes, new_figure, own_style
from .surface import Surface

_COLOURS = "viridis"  # from dark to light: the order shows in grey and to the colour-blind
_LINES = 8  # contour lines a surface
_LEAST = 1e-4  # a logarithm needs a loss above 0; smaller ones are drawn as this


@own_style
def landscape_figure(surfaces: Mapping[str, Surface], caption: str, dpi: int = 150) -> bytes:
    """Return a PNG with a column for each net: contours above, a relief below.

    Colours and heights are logarithmic and the same for all nets, so that these compare. The
    contour lines are each surface's own, labelled with their losses. A cross marks the trained net.

    Args:
        surfaces: those to draw, by the title above the contours; losses are at least 0.
        caption: a sentence below them.
        dpi: dots an inch; a column is 5 inches wide.
    """
    from matplotlib.colors import LogNorm  # here, so that importing minires stays quick

    all_losses = [np.maximum(surface.losses, _LEAST) for surface in surfaces.values()]
    low, high = min(map(np.min, all_losses)), max(map(np.max, all_losses))
    norm = LogNorm(low, max(high, 1.01 * low))
    n = len(surfaces)
    figure = new_figure(5 * n + 1, 9.4, dpi)
    figure.set_layout_engine("constrained", w_pad=0.15, h_pad=0.1)
    contours, reliefs = [], []
    drawn = zip(surfaces.items(), all_losses, strict=True)
    for column, ((title, surface), losses) in enumerate(drawn, start=1):
        contours.append(figure.add_subplot(2, n, column))
        reliefs.append(figure.add_subplot(2, n, n + column, projection="3d"))
        _draw_contours(contours[-1], surface.axis, losses, norm)
        contours[-1].set_title(title, fontsize=11, parse_math=False)
        _draw_relief(reliefs[-1], surface.axis, losses, norm)
    colours = contours[-1].collections[0]
    look = {"pad": 0.05, "aspect": 40, "shrink": 0.9}
    bar = figure.colorbar(colours, ax=contours + reliefs, label="loss (cross-entropy)", **look)
    ticks = _ticks(norm)
    bar.set_ticks(ticks, labels=[f"{loss:g}" for loss in ticks], minor=False)
    bar.minorticks_off()
    figure.supxlabel(textwrap.fill(caption, 75 * n), fontsize=9.5, color=GREY)
    return figure_bytes(figure, "png")


def _draw_contours(axes: Any, x: Array, losses: Array, norm: Any) -> None:
    from matplotlib.patheffects import withStroke

    axes.pcolormesh(x, x, losses.T, shading="gouraud", norm=norm, cmap=_COLOURS)
    shadow = {"path_effects": [withStroke(linewidth=1.8, foreground="#00000050")]}
    levels = _levels(losses)
    if levels:
        lines = axes.contour(x, x, losses.T, levels, colors="white", linewidths=0.8)
        lines.set(**shadow)
        points = _label_points([path.vertices for path in lines.get_paths()], 0.92 * x[-1])
        for label in axes.clabel(lines, fmt="%g", fontsize=8, manual=points):
            label.set(**shadow)
    axes.plot(0, 0, "x", color="white", ms=9, mew=2, **shadow)
    axes.set(xlabel="α, steps along the first direction", ylabel="β, steps along the second")
    axes.set_aspect("equal")
    axes.locator_params(nbins=4)


def _draw_relief(axes: Any, x: Array, losses: Array, norm: Any) -> None:
    """Draw logarithms of the losses; 3D axes have no logarithmic scale, so the ticks are set."""
    from matplotlib import colormaps

    alpha, beta = np.meshgrid(x, x, indexing="ij")
    height = np.log10(losses)
    middles = (height[1:, 1:] + height[1:, :-1] + height[:-1, 1:] + height[:-1, :-1]) / 4
    every = {"rcount": len(x), "ccount": len(x)}
    look = {"facecolors": colormaps[_COLOURS](norm(10**middles)), "shade": False}
    mesh = {"edgecolor": "#ffffff60", "lw": 0.4}
    axes.plot_surface(alpha, beta, height, **every, **look, **mesh)
    axes.set_zlim(np.log10(norm.vmin), np.log10(norm.vmax))
    ticks = _ticks(norm)
    axes.set_zticks(np.log10(ticks), labels=[f"{loss:g}" for loss in ticks])
    for axis in "xy":
        axes.locator_params(axis, nbins=4)
    axes.set(xlabel="α", ylabel="β", zlabel="loss")
    axes.view_init(elev=32, azim=-60)
    axes.set_box_aspect((1, 1, 0.75), zoom=0.92)


def _label_points(lines: Sequence[Array], within: float) -> list[Array]:
    """Return a point of each line, (m, 2): far from the cross, the other points and the edge."""
    taken = [np.zeros(2)]
    for line in lines:
        inside = line[np.abs(line).max(axis=1) < within]
        points = inside if len(inside) else line
        nearest = np.min([np.linalg.norm(points - point, axis=1) for point in taken], axis=0)
        taken.append(points[nearest.argmax()])
    return taken[1:]


def _levels(losses: Array) -> list[float]:
    """Return losses of two digits, at equal logarithmic steps from the lowest to the highest."""
    between = np.geomspace(losses.min(), losses.max(), _LINES + 2)[1:-1]
    rounded = {float(f"{loss:.2g}") for loss in between}
    return sorted(loss for loss in rounded if losses.min() < loss < losses.max())


def _ticks(norm: Any) -> list[float]:
    """Return 1, 2, 5, 10, ... within the scale; on a long scale powers of ten alone."""
    steps = (1, 2, 5) if norm.vmax < 1000 * norm.vmin else (1,)
    ticks = [float(f"{step}e{power}") for power in range(-5, 8) for step in steps]
    return [tick for tick in ticks if norm.vmin <= tick <= norm.vmax]
