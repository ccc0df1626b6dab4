"""The figure of layer responses, as figure 7 of He et al. 2015."""

from collections.abc import Sequence

import numpy as np

from ...viz.style import depth_colours, figure_bytes, headline, new_figure, style_axes
from .responses import LayerResponses

_STYLES = {"plain": "--", "resnet": "-"}


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
        style = {"color": colours[net.depth], "ls": _STYLES[net.kind], "lw": 1.8}
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
