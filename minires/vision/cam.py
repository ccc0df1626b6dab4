"""Class activation maps: which parts of an image count for a class (Zhou et al. 2016)."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .. import functional as F
from ..autograd import Tensor
from ..backend import Array, to_numpy
from ..deprecated import old_attribute
from ..models.resnet import ResNet
from ..modes import no_grad
from ..viz.fonts import drawable
from ..viz.style import figure_bytes, own_style
from .transforms import Box

if TYPE_CHECKING:
    from PIL import Image

_DIMMED = 0.45  # brightness of the part of an image outside the model's input


class Prediction(NamedTuple):
    """A model's output for a batch of images.

    Attributes:
        logits: (N, classes).
        feature_maps: of the last stage, (N, C, h, w).
    """

    logits: Array
    feature_maps: Array

    @property
    def maps(self) -> Array:
        """The old name of `feature_maps`."""
        return old_attribute(self, "maps", "feature_maps")

    @property
    def probabilities(self) -> Array:
        """Return softmax(logits), (N, classes)."""
        return np.exp(F.log_softmax(self.logits).numpy())


def predict(model: ResNet, x: Array) -> Prediction:
    """Return the logits of images (N, 3, H, W), and the feature maps that they are computed from.

    Args:
        model: in evaluation mode.
        x: normalised images.
    """
    with no_grad():
        feature_maps = model.maps(Tensor(x))
        logits = model.fc(model.avgpool(feature_maps))
    return Prediction(to_numpy(logits.data), to_numpy(feature_maps.data))


def activation_map(model: ResNet, feature_maps: Array, label: int) -> Array:
    """Return M(y, x) = Σ w_k f_k(y, x), how much each position counts for a class: (h, w).

    The mean of M plus the class's bias is its logit (Zhou et al. 2016, equations 1 and 2).

    Args:
        model: its last layer has the weights w_k of the class.
        feature_maps: f_k, of one image after the last stage, (C, h, w).
        label: the class.
    """
    w = model.fc.weight.numpy()[label]
    return np.tensordot(w, feature_maps, (0, 0))


@own_style
def activation_figure(
    image: "Image.Image", box: Box, activation: Array, label: int, name: str, probability: float
) -> bytes:
    """Draw an image, and beside it the same with an activation map over the model's input: a PNG.

    Args:
        image: the whole of it, RGB.
        box: the part that is the model's input, in the image's pixels.
        activation: see `activation_map`, (h, w).
        label, name: of the class.
        probability: of the class.
    """
    from matplotlib.figure import Figure

    left, top, right, bottom = box
    width, height = image.size
    across = 4.2 * min(max(width / height, 0.6), 1.8)
    down = max(min(across * height / width, 6.0), 2.4)
    figure = Figure(figsize=(2 * across + 0.9, down + 0.8), dpi=150, layout="constrained")
    plain, over = figure.subplots(1, 2)
    pixels = np.asarray(image).astype(float) / 255
    plain.imshow(pixels)
    dimmed = pixels * _DIMMED
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
        (plain, "the image"),
        (over, f"activation for “{shown_name}” ({100 * probability:.1f} %)"),
    ):
        axes.set_title(title, fontsize=11, fontfamily=families, parse_math=False)
        axes.set_axis_off()
    figure.colorbar(shown, ax=over, shrink=0.8, label="activation (its mean + bias = the logit)")
    figure.supxlabel("dark: outside the model's input", fontsize=9, color="#444444")
    return figure_bytes(figure, "png")
