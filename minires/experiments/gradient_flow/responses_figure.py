"""How strongly layers respond, drawn as figure 7 of He et al. 2015."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...models import NetSpec
from ...viz.style import depth_colours, dress, headline, picture

if TYPE_CHECKING:
    from .responses import Response

_STYLES = {"plain": "--", "resnet": "-"}


def responses_figure(
    responses: "Sequence[Response]", sentence: str = "", form: str = "png", dpi: int = 150
) -> bytes:
    """The standard deviation of each 3x3 layer's response, by layer and sorted, as a picture file.

    Plain nets dashed, residual nets solid, one colour a depth.

    Args:
        responses: of one or more nets.
        sentence: what it shows.
        form: "png", "svg" or "pdf".
        dpi: dots an inch; the figure is 10 inches wide.
    """
    from matplotlib.figure import Figure  # here, so that importing minires stays quick

    colours = depth_colours(NetSpec.parse(response.net).depth for response in responses)
    figure = Figure(figsize=(10, 4.6), dpi=dpi, layout="constrained")
    by_layer, by_size = figure.subplots(1, 2, sharey=True)
    for response in responses:
        spec = NetSpec.parse(response.net)
        style = {"color": colours[spec.depth], "ls": _STYLES[spec.kind], "lw": 1.8}
        layers = np.arange(1, len(response.spread) + 1)
        by_layer.plot(layers, response.spread, label=response.net, **style)
        by_size.plot(layers, np.sort(response.spread)[::-1], **style)
    dress(by_layer, "in the order of the layers")
    dress(by_size, "the same, sorted by size")
    by_layer.set_xlabel("3x3 layer")
    by_size.set_xlabel("3x3 layers, largest response first")
    by_layer.set_ylabel("standard deviation of the response")
    by_layer.set_ylim(0, None)
    figure.legend(loc="outside lower center", ncols=max(4, len(colours)), frameon=False)
    headline(figure, sentence)
    return picture(figure, form)
