"""Teaching figure: the windows of a convolution as the columns of the im2col matrix."""

from typing import Any

import numpy as np

from ..backend import Array
from ..errors import UsageError
from ..ops import Pair, checks
from ..ops.windows import im2col, output_size
from .style import figure_bytes, new_figure, own_style

_MOST = 36  # windows, or pixels with their padding, that are legible


@own_style
def windows_figure(
    size: Pair, kernel: Pair, stride: int = 1, padding: int = 0, form: str = "png", dpi: int = 100
) -> bytes:
    """Return an image file: an image of numbered pixels, and the matrix `im2col` makes of it.

    The first window is framed in the image and in the matrix, and so is the last one; pixels
    of the padding are empty.

    Args:
        size: (H, W) of the image; kernel: (kh, kw).
        stride, padding: of the windows, along both directions.
        form: "png", "svg" or "pdf".
        dpi: dots an inch; the figure is 7 inches wide.

    Raises:
        ShapeError: a kernel larger than the padded image.
        UsageError: there are too many windows or pixels to be legible.
    """
    (H, W), (kh, kw) = size, kernel
    checks.windows((1, 1, H, W), kernel, (padding, padding))
    Ho, Wo = output_size((1, 1, H, W), kernel, (stride, stride), (padding, padding))
    image = np.arange(1, H * W + 1).reshape(1, 1, H, W)  # 0 is left for the padding
    if max((H + 2 * padding) * (W + 2 * padding), Ho * Wo) > _MOST:
        raise UsageError(
            f"{Ho * Wo} windows on an image of {H}x{W} pixels with padding {padding} are too many "
            f"to be legible; at most {_MOST} of each can be drawn"
        )
    matrix = im2col(image, kernel, (stride, stride), (padding, padding))
    padded = np.pad(image[0, 0], padding)
    names = [f"w{u}{v}" for u in range(kh) for v in range(kw)]
    outputs = [f"y{i}{j}" for i in range(Ho) for j in range(Wo)]

    tallest = max(padded.shape[0], len(names))
    figure = new_figure(7, 0.34 * tallest + 0.6, dpi)
    left, right = figure.subplots(1, 2)
    _draw_numbers(left, padded, image.max())
    _draw_numbers(right, matrix.reshape(len(names), len(outputs)), image.max())
    last = (Ho - 1) * stride, (Wo - 1) * stride
    for (row, column), window, style in (((0, 0), 0, "-"), (last, len(outputs) - 1, "--")):
        _frame(left, column, row, kw, kh, style)
        _frame(right, window, 0, 1, len(names), style)
    left.set_title("the image, its pixels numbered", fontsize=9)
    right.set_title("the matrix X: a window a column", fontsize=9)
    right.set_yticks(range(len(names)), names, fontsize=8)
    right.set_xticks(range(len(outputs)), outputs, fontsize=8)
    return figure_bytes(figure, form)


def _draw_numbers(axes: Any, numbers: Array, most: int) -> None:
    """Draw a matrix of pixel numbers, each pixel in a shade of its own."""
    from matplotlib.patches import Rectangle

    axes.imshow(np.ma.masked_equal(numbers, 0), cmap="viridis", vmin=1, vmax=most)
    for (i, j), number in np.ndenumerate(numbers):
        axes.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, ec="#bbbbbb", lw=0.6))
        colour = "white" if number < 0.6 * most else "black"
        axes.text(j, i, str(number or ""), ha="center", va="center", color=colour, fontsize=9)
    axes.tick_params(length=0)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _frame(axes: Any, x: int, y: int, width: int, height: int, style: str) -> None:
    from matplotlib.patches import Rectangle

    for colour, lw in (("white", 4.5), ("#b3410e", 2.2)):
        corner, size = (x - 0.45, y - 0.45), (width - 0.1, height - 0.1)
        line = "-" if colour == "white" else style
        axes.add_patch(Rectangle(corner, *size, fill=False, ls=line, lw=lw, ec=colour))
