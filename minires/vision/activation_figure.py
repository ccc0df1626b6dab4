"""A class activation map laid over its photo."""

import io

import numpy as np
from PIL import Image

from ..backend import Array
from ..viz.fonts import drawable

_OUTSIDE = 0.45  # how bright the part of a photo is that the net does not see


def activation_figure(
    photo: Image.Image,
    seen: tuple[int, int, int, int],
    activation: Array,
    label: int,
    name: str,
    probability: float,
    dpi: int = 150,
) -> bytes:
    """A photo, and the same with a class activation map over the part that the net sees: a PNG.

    Args:
        photo: the whole of it, RGB.
        seen: left, top, right and bottom of the part that the net sees, in the photo's pixels.
        activation: how much each place counts for the class, (h, w).
        label, name: of the class.
        probability: that the net gives to it.
        dpi: dots an inch.
    """
    from matplotlib.figure import Figure

    left, top, right, bottom = seen
    width, height = photo.size
    across = 4.2 * min(max(width / height, 0.6), 1.8)
    down = max(min(across * height / width, 6.0), 2.4)
    figure = Figure(figsize=(2 * across + 0.9, down + 0.8), dpi=dpi, layout="constrained")
    plain, over = figure.subplots(1, 2)
    pixels = np.asarray(photo).astype(float) / 255
    plain.imshow(pixels)
    dimmed = pixels * _OUTSIDE
    dimmed[top:bottom, left:right] = pixels[top:bottom, left:right].mean(axis=2, keepdims=True)
    over.imshow(dimmed)
    shown = over.imshow(
        activation,
        cmap="viridis",
        alpha=0.55,
        interpolation="bicubic",
        extent=(left - 0.5, right - 0.5, bottom - 0.5, top - 0.5),
    )
    over.set_xlim(-0.5, width - 0.5)
    over.set_ylim(height - 0.5, -0.5)
    (shown_name,), families = drawable([name], [f"no. {label}"])
    for axes, title in (
        (plain, "the photo"),
        (over, f"where it sees “{shown_name}” ({100 * probability:.1f} %)"),
    ):
        axes.set_title(title, fontsize=11, fontfamily=families, parse_math=False)
        axes.set_axis_off()
    figure.colorbar(shown, ax=over, shrink=0.8, label="activation (their mean + bias = the logit)")
    figure.supxlabel("what is dark the net does not see", fontsize=9, color="#444444")
    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight")
    return file.getvalue()
