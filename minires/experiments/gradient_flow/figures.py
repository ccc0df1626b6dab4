"""The figures of layer responses, of shattered gradients and of paths."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...viz.style import (
    depth_colours,
    figure_bytes,
    headline,
    new_figure,
    own_style,
    shades,
    style_axes,
)
from .paths import PathGradient
from .responses import LayerResponses
from .shattered import Shattering

_KINDS = {"plain": ("plain nets", "--", "s"), "resnet": ("residual nets", "-", "o")}
_MARKERS = "osD^v"
_NORM = "norm of the gradient of the images\n(mean, and 80 % of the draws)"


@own_style
def responses_figure(
    responses: Sequence[LayerResponses], sentence: str = "", form: str = "png", dpi: int = 150
) -> bytes:
    """Return an image file of the std of each 3x3 layer's response, by layer and sorted.

    Plain nets are dashed, residual nets solid, with one colour for each depth.

    Args:
        responses: those of one or more nets.
        sentence: the headline.
        form: "png", "svg" or "pdf".
        dpi: dots an inch; the figure is 10 inches wide.
    """
    colours = depth_colours(response.net.depth for response in responses)
    figure = new_figure(10, 4.6, dpi)
    by_layer, by_size = figure.subplots(1, 2, sharey=True)
    for response in responses:
        net = response.net
        style = {"color": colours[net.depth], "ls": _KINDS[net.kind][1], "lw": 1.8}
        layers = np.arange(1, len(response.std) + 1)
        by_layer.plot(layers, response.std, label=str(net), **style)
        by_size.plot(layers, np.sort(response.std)[::-1], **style)
    y = "standard deviation of the response"
    style_axes(by_layer, "in the order of the layers", xlabel="3x3 layer", ylabel=y, ylim=(0, None))
    x = "3x3 layers, largest response first"
    style_axes(by_size, "the same, sorted by size", xlabel=x)
    figure.legend(loc="outside lower center", ncols=max(4, len(colours)), frameon=False)
    headline(figure, sentence)
    return figure_bytes(figure, form)


@own_style
def shattered_figure(
    nets: Sequence[Shattering], sentence: str = "", form: str = "png", dpi: int = 150
) -> bytes:
    """Return an image file of gradients along the arc, and of their correlation by depth.

    On the left are the shallowest and the deepest net of each kind. On the right are the mean over
    the draws, and a band from their 10th to their 90th percentile.

    Args:
        nets: plain and residual ones of several depths.
        sentence: the headline.
        form: "png", "svg" or "pdf".
        dpi: dots an inch; the figure is 11 inches wide.
    """
    by_kind = {
        kind: sorted((net for net in nets if net.net.kind == kind), key=lambda net: net.net.depth)
        for kind in _KINDS
    }
    by_kind = {kind: ordered for kind, ordered in by_kind.items() if ordered}
    traced = [net for ordered in by_kind.values() for net in (ordered[0], ordered[-1])]
    figure = new_figure(11, 5.2, dpi)
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.15))
    colours = dict(zip(by_kind, shades(2), strict=False))
    traces = left.subplots(len(traced), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, net in zip(traces, traced, strict=True):
        _draw_trace(axes, net, colours[net.net.kind])
    traces[-1].set_xlabel("place on the arc of inputs (degrees)")
    left.supylabel("slope of the output along the arc (in units of its RMS)", fontsize=10)
    axes = right.subplots()
    for kind, ordered in by_kind.items():
        _draw_kind(axes, kind, ordered, colours[kind])
    y = "correlation: mean, and 80 % of the draws"
    limits = {"xlim": (0, None), "ylim": (-0.1, 1)}
    title = "correlation of the gradients at neighbouring inputs"
    axes.axhline(0, color="#777777", lw=0.8)
    style_axes(axes, title, xlabel="layers", ylabel=y, **limits)
    axes.legend(frameon=False)
    headline(figure, sentence)
    return figure_bytes(figure, form)


def _draw_trace(axes: Any, net: Shattering, colour: Any) -> None:
    axes.plot(net.angles, net.slope / np.sqrt((net.slope**2).mean()), color=colour, lw=1.2)
    style_axes(axes, str(net.net), xlim=(0, 90), xticks=range(0, 91, 15))


def _draw_kind(axes: Any, kind: str, nets: Sequence[Shattering], colour: Any) -> None:
    label, dashes, marker = _KINDS[kind]
    depths = [net.net.depth for net in nets]
    draws = np.array([net.correlation for net in nets])  # (nets, draws)
    low, high = np.percentile(draws, (10, 90), axis=1)
    axes.plot(depths, draws.mean(axis=1), dashes, marker=marker, color=colour, lw=2, label=label)
    axes.fill_between(depths, low, high, color=colour, alpha=0.2, lw=0)


@own_style
def paths_figure(
    gradients: Sequence[PathGradient], sentence: str = "", form: str = "png", dpi: int = 150
) -> bytes:
    """Return an image file of three panels by the length of paths (Veit et al. 2016, figure 6).

    They show the share of all paths that have a length, the gradient along one path (mean, and a
    band from the 10th to the 90th percentile), and the share of the product of both.

    Args:
        gradients: those of all lengths of one or more nets.
        sentence: the headline.
        form: "png", "svg" or "pdf".
        dpi: dots an inch; the figure is 11 inches wide.
    """
    nets = list(dict.fromkeys(gradient.net for gradient in gradients))
    figure = new_figure(11, 4.4, dpi)
    number, size, product = figure.subplots(1, 3)
    for net, colour, marker in zip(nets, shades(len(nets)), _MARKERS * len(nets), strict=False):
        ours = [gradient for gradient in gradients if gradient.net == net]
        lengths = [gradient.length for gradient in ours]
        style = {"color": colour, "marker": marker, "ms": 3.5, "lw": 1.5}
        number.plot(lengths, _percent([g.paths for g in ours]), label=net, **style)
        low, high = np.percentile([g.norms for g in ours], (10, 90), axis=1)
        size.plot(lengths, [g.mean for g in ours], **style)
        size.fill_between(lengths, low, high, color=colour, alpha=0.2, lw=0)
        product.plot(lengths, _percent([g.paths * g.mean for g in ours]), **style)
    x = "branches that a path goes through"
    for axes, title, label in (
        (number, "how many paths there are", "share of all paths (%)"),
        (size, "gradient along one of them", _NORM),
        (product, "their number times their gradient", "share of the sum (%)"),
    ):
        style_axes(axes, title, ylabel=label, xlabel=x, xlim=(0, None))
    size.set_yscale("log")
    highest = max(number.get_ylim()[1], product.get_ylim()[1])
    for axes in (number, product):
        axes.set_ylim(0, highest)
    number.legend(frameon=False)
    headline(figure, sentence)
    return figure_bytes(figure, form)


def _percent(parts: Sequence[float]) -> Any:
    return 100 * np.array(parts, float) / sum(parts)
