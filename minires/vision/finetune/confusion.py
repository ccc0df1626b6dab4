"""Draw a confusion matrix."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...backend import Array
from ...viz.fonts import drawable
from ...viz.style import figure_bytes, own_style, shades

_MAX_NUMBERED = 20  # classes up to which every cell has its number
_MAX_NAMED = 60  # and every row its name


@own_style
def confusion_figure(
    matrix: Array, classes: Sequence[str], title: str = "", dpi: int = 150
) -> bytes:
    """Draw how many images of each class, a row, were predicted as which, a column.

    The shade is the share of the row; a row without images is grey.

    Args:
        matrix: counts (C, C).
        classes: the names, in their order.
        title: of the figure.
        dpi: dots an inch.

    Returns:
        A PNG file.
    """
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    C = len(classes)
    totals = matrix.sum(axis=1, keepdims=True)
    share = np.where(totals > 0, 100 * matrix / np.maximum(totals, 1), np.nan)
    side = min(max(3.6, 0.42 * C), 12)
    figure = Figure(figsize=(side + 2.6, side + 1.6), dpi=dpi, layout="constrained")
    axes = figure.subplots()
    colours: Any = LinearSegmentedColormap.from_list("confusion", ["white", *shades(8)])
    colours = colours.with_extremes(bad="#e4e4e4")  # of a row without images
    image = axes.imshow(share, cmap=colours, vmin=0, vmax=100)
    axes.set_title(title, fontsize=11, parse_math=False)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("class")
    if C <= _MAX_NAMED:
        names, families = drawable(classes)
        size = 9 if C <= _MAX_NUMBERED else 6
        how: Any = {"fontfamily": families, "fontsize": size, "parse_math": False}
        upright = C <= 8 and max(map(len, names)) <= 9
        axes.set_xticks(range(C), names, rotation=0 if upright else 90, **how)
        axes.set_yticks(range(C), names, **how)
    if C <= _MAX_NUMBERED:
        for (i, j), count in np.ndenumerate(matrix):
            if count:
                colour = "white" if share[i, j] > 30 else "#222222"
                axes.text(j, i, f"{count}", ha="center", va="center", color=colour, fontsize=8)
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the row (%)")
    return figure_bytes(figure, "png")
