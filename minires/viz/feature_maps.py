"""Teaching figure: feature maps and kernels as images, channel by channel."""

from collections.abc import Sequence
from typing import Any

from ..backend import Array
from ..errors import ShapeError
from ..text import printable
from .style import figure_bytes, new_figure, own_style, signed_colours


@own_style
def feature_maps_figure(
    rows: Sequence[tuple[str, Array]],
    titles: Sequence[str] = (),
    form: str = "png",
    dpi: int = 100,
) -> bytes:
    """Return an image file of rows of feature maps, each row with a colour scale of its own.

    Where a row has negative values, its scale goes as far below 0 as above: 0 is grey, what is
    below is blue, what is above is orange. Another row is light where its values are high.

    Args:
        rows: (label, feature maps) of each row; (K, H, W).
        titles: those of the columns.
        form: "png", "svg" or "pdf".
        dpi: dots an inch; the figure is at most 7 inches wide.

    Raises:
        ShapeError: there are no rows, or a row has no feature maps.
    """
    shapes = [maps.shape for _, maps in rows]
    if not shapes or any(len(shape) != 3 or min(shape) == 0 for shape in shapes):
        raise ShapeError(f"expected feature maps (K, H, W) in each row, got {shapes}")

    columns = max(shape[0] for shape in shapes)
    side = min(1.1, 5.2 / columns)  # inches
    size = (1.8 + side * columns, (side + 0.1) * len(rows) + 0.3)
    figure = new_figure(*size, dpi)
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.03)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for axes_row, (label, maps) in zip(grid, rows, strict=True):
        _draw_row(figure, axes_row, label, maps)
    for axes, title in zip(grid[0], titles, strict=False):
        axes.set_title(printable(title), fontsize=9, parse_math=False)
    return figure_bytes(figure, form)


def _draw_row(figure: Any, axes_row: Any, label: str, maps: Array) -> None:
    """Draw the feature maps (K, H, W) of one row, its label and its colour scale."""
    low, high = float(maps.min()), float(maps.max())
    signed = low < 0
    if signed:
        high = max(-low, high)
        low = -high
    for axes in axes_row[len(maps) :]:
        axes.axis("off")
    for axes, one in zip(axes_row, maps, strict=False):
        shown = axes.imshow(
            one, cmap=signed_colours() if signed else "viridis", vmin=low, vmax=high
        )
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    at: Any = {"rotation": 0, "ha": "right", "va": "center", "fontsize": 9}
    axes_row[0].set_ylabel(printable(label), parse_math=False, **at)
    ends = [low, 0.0, high] if signed else [low, high]
    bar = figure.colorbar(shown, ax=list(axes_row), fraction=0.05, pad=0.02, aspect=10)
    bar.set_ticks(ends, labels=[f"{end:.2g}" for end in ends], fontsize=8)
