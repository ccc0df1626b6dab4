"""The figure of paths through residual nets: their number, their gradient, and the product."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...viz.style import figure_bytes, headline, new_figure, shades, style_axes
from .paths import PathGradient

_MARKERS = "osD^v"
_NORM = "norm of the gradient of the images\n(mean, and 80 % of the draws)"


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
