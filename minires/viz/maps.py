"""Feature maps and kernels as pictures, channel by channel."""

from collections.abc import Sequence

from ..backend import Array
from ..errors import ShapeError, expect
from .style import picture


def maps_figure(
    rows: Sequence[tuple[str, Array]],
    titles: Sequence[str] = (),
    form: str = "png",
    dpi: int = 100,
) -> bytes:
    """Rows of maps side by side, each row with a scale of its own, as a picture file.

    Args:
        rows: (label, maps) of each row; maps (K, H, W), light where the values are high.
        titles: what stands above the columns.
        form: "png", "svg" or "pdf".
        dpi: dots an inch; the figure is at most 7 inches wide.

    Raises:
        ShapeError: there are no maps in a row, or no rows.
    """
    from matplotlib.figure import Figure  # here, so that importing minires stays quick
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    shapes = [maps.shape for _, maps in rows]
    expect(
        bool(shapes) and all(len(shape) == 3 and min(shape) > 0 for shape in shapes),
        ShapeError,
        f"a picture of maps expected maps (K, H, W) in each row, got {shapes}",
    )

    columns = max(shape[0] for shape in shapes)
    side = min(1.1, 5.2 / columns)  # inches
    size = (1.8 + side * columns, (side + 0.1) * len(rows) + 0.3)
    tight = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.03)
    figure = Figure(figsize=size, dpi=dpi, layout=tight)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for axes_row, (label, maps) in zip(grid, rows, strict=True):
        low, high = float(maps.min()), float(maps.max())
        for axes in axes_row[len(maps) :]:
            axes.axis("off")
        for axes, one in zip(axes_row, maps, strict=False):
            shown = axes.imshow(one, cmap="viridis", vmin=low, vmax=high)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
        axes_row[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
        has_zero = min(-low, high) > 0.2 * (high - low)  # and so has room for its label
        ends = [low, 0.0, high] if has_zero else [low, high]
        bar = figure.colorbar(shown, ax=list(axes_row), fraction=0.05, pad=0.02, aspect=10)
        bar.set_ticks(ends, labels=[f"{end:.2g}" for end in ends], fontsize=8)
    for axes, title in zip(grid[0], titles, strict=False):
        axes.set_title(title, fontsize=9)
    return picture(figure, form)
