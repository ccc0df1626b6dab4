"""Two figures of gradient flow: what depth does to it; the ablations, a column for each net."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...backend import Array
from ...errors import UsageError
from ...viz.style import GREY, figure_bytes, headline, new_figure, own_style, shades, style_axes
from .ablations import Flow, deepest

_DASHES = ((0, (1, 1)), (0, (5, 1.5)), "-", (0, (4, 1, 1, 1)), (0, (9, 2)))
_VANISHED, _BEYOND = "v", "X"
_MEASURES = {
    "gradient": "norm of the gradient\nof a layer's response",
    "std": "standard deviation\nof a layer's response",
    "growth": "gradient at the first layer\n/ at the last 3x3 layer",
}


@own_style
def depth_figure(
    flows: Sequence[Flow], sentence: str = "", form: str = "png", dpi: int = 150
) -> bytes:
    """Return an image file of the gradient at each 3x3 layer, over that at the last of them.

    Drawn are the deepest net of each kind, at initialisation, with batch norm and weights by He.

    Args:
        flows: those of one or more nets.
        sentence: the headline.
        form: "png", "svg" or "pdf".
        dpi: dots an inch; the figure is 8 inches wide.
    """
    figure = new_figure(8, 4, dpi)
    axes = figure.subplots()
    shown = deepest(flows)
    styles = _styles([flow.net for flow in shown])
    for flow in shown:
        gradient = flow.gradient[0, :-1]  # -1 is the linear layer
        with np.errstate(all="ignore"):
            y = gradient / gradient[-1]
        colour = styles[flow.net]["color"]
        _curve(axes, np.arange(1, len(y) + 1), y, {"color": colour, "lw": 2.6})
        at = {"xytext": (12, 0), "textcoords": "offset points", "va": "center"}
        axes.annotate(flow.net, (1, y[0]), color=colour, fontsize=12, weight="bold", **at)
    y = "norm of the gradient of a layer's response\n(in the last 3x3 layer: 1)"
    x = "3x3 layer: the gradient comes from the right"
    style_axes(axes, "", yscale="log", xlabel=x, ylabel=y)
    headline(figure, sentence)
    return figure_bytes(figure, form)


@own_style
def ablations_figure(
    flows: Sequence[Flow],
    sentence: str = "",
    form: str = "png",
    dpi: int = 150,
    measures: Sequence[str] = tuple(_MEASURES),
) -> bytes:
    """Return an image file of gradient, standard deviation and growth, with and without batch norm.

    Gradient and standard deviation are those at initialisation: a curve over the 3x3 layers, and a
    dot for the linear one, which follows the average pool. Growth is over the first training
    steps. A curve that leaves the range of float32 ends with a mark.

    Args:
        flows: those of one or more nets.
        sentence: the headline.
        form: "png", "svg" or "pdf".
        dpi: dots an inch; the figure is 3.2 inches wide a net.
        measures: those to draw, of "gradient", "std" and "growth"; two rows of panels each.

    Raises:
        UsageError: there is no such measure.
    """
    for measure in measures:
        if measure not in _MEASURES:
            raise UsageError(f"there is no measure {measure!r}; there are: {', '.join(_MEASURES)}")
    nets = list(dict.fromkeys(flow.net for flow in flows))
    styles = _styles(list(dict.fromkeys(flow.variant for flow in flows)))
    figure = new_figure(max(6.5, 0.8 + 3.2 * len(nets)), 2.5 * 2 * len(measures) + 1, dpi)
    grid = figure.subplots(2 * len(measures), len(nets), sharey="row", squeeze=False)
    rows = [(measure, batch_norm) for measure in measures for batch_norm in (True, False)]
    for axes, (measure, batch_norm) in zip(grid, rows, strict=True):
        for ax, net in zip(axes, nets, strict=True):
            for flow in flows:
                if (flow.net, flow.batch_norm) == (net, batch_norm):
                    _draw(ax, flow, measure, styles[flow.variant])
            title = f"{net}, {'with' if batch_norm else 'without'} batch norm"
            x = "steps of training" if measure == "growth" else "layer"
            style_axes(ax, title, yscale="log", xlabel=x)
        axes[0].set_ylabel(_MEASURES[measure])
    _legend(figure, styles)
    headline(figure, sentence)
    return figure_bytes(figure, form)


def _styles(variants: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return a colour and dashes for each variant."""
    pairs = zip(shades(len(variants)), _DASHES, strict=False)
    return {
        variant: {"color": colour, "ls": dashes, "lw": 2.6 if dashes == "-" else 1.8}
        for variant, (colour, dashes) in zip(variants, pairs, strict=True)
    }


def _draw(axes: Any, flow: Flow, measure: str, style: dict[str, Any]) -> None:
    if measure == "growth":
        x, y = np.array(flow.steps), flow.growth
        if flow.ended is not None:
            x, y = np.append(x, flow.ended), np.append(y, np.nan)
        _curve(axes, x, y, {**style, "marker": "o", "ms": 3})
    else:
        y = getattr(flow, measure)[0]
        x = np.arange(1, len(y) + 1)
        _curve(axes, x[:-1], y[:-1], style)
        _curve(axes, x[-1:], y[-1:], {**style, "marker": "o", "ms": 4})


def _curve(axes: Any, x: Array, y: Array, style: dict[str, Any]) -> None:
    """Draw the positive finite part of a curve, and a mark where it goes beyond that."""
    shown = np.isfinite(y) & (y > 0)
    axes.plot(x, np.where(shown, y, np.nan), **style)
    for last in np.flatnonzero(shown):
        for beyond in (last - 1, last + 1):
            if 0 <= beyond < len(y) and not shown[beyond]:
                mark = _VANISHED if y[beyond] == 0 else _BEYOND
                axes.plot(x[last], y[last], mark, color=style["color"], ms=7, clip_on=False)
    if len(y) > 1 and (y == 0).all():
        at_the_bottom = axes.get_xaxis_transform()
        axes.plot(x[0], 0, _VANISHED, color=style["color"], ms=7, transform=at_the_bottom)


def _legend(figure: Any, styles: dict[str, dict[str, Any]]) -> None:
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], label=variant, **style) for variant, style in styles.items()]
    marks = [
        Line2D([], [], marker=mark, ls="", color=GREY, label=f"from here on {meaning}")
        for mark, meaning in ((_VANISHED, "0 in float32"), (_BEYOND, "not finite"))
    ]
    columns = min(7, int(figure.get_figwidth() / 1.9))
    figure.legend(
        handles=[*lines, *marks], loc="outside lower center", ncols=columns, frameon=False
    )
