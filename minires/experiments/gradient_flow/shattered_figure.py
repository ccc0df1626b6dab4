"""The figure of shattered gradients: along an arc of inputs, and their correlation by depth."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...viz.style import figure_bytes, headline, new_figure, shades, style_axes
from .shattered import Shattering

_KINDS = {"plain": ("plain nets", "--", "s"), "resnet": ("residual nets", "-", "o")}


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
