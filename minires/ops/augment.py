"""Images as a net gets them: standardised, and augmented for training."""

from typing import NamedTuple

import numpy as np

from ..backend import Array, array_module


class Draws(NamedTuple):
    """What chance decides about images, one entry each, int64 or bool (B,).

    Attributes:
        image: which one it is; down, right: the corner of its crop; flipped: whether it is
            mirrored.
    """

    image: Array
    down: Array
    right: Array
    flipped: Array


def standardised(images: Array, mean: Array | None, white: int) -> Array:
    """Return uint8 images as float32: `white` as 1, less `mean`; without one `white` as 255."""
    x = images.astype(np.float32)
    if mean is None:
        x *= 255 / white
        return x
    x /= white
    x -= mean
    return x


def training_batch(
    images: Array, labels: Array, mean: Array | None, draws: Draws, shift: int, white: int
) -> tuple[Array, Array]:
    """Return augmented images, float32 (B, C, H, W), and their labels, int64 (B,).

    Each image is padded with zeros by `shift` pixels on each side, cropped at a random corner to
    its size, and mirrored half of the time (He et al. 2015, section 4.2).

    Args:
        images: all of them, uint8 (N, C, H, W); labels: int64 (N,).
        mean: of all images, float32 (C, H, W); see `standardised`.
        draws: on the CPU.
        shift, white: of `Dataset`.
    """
    xp = array_module(images)
    image, down, right, flipped = map(xp.asarray, draws)
    x = standardised(images[image], mean, white)
    H, W = x.shape[2:]
    padded = xp.pad(x, ((0, 0), (0, 0), (shift, shift), (shift, shift)))
    crops = xp.lib.stride_tricks.sliding_window_view(padded, (H, W), axis=(2, 3))
    # crops: (B, C, 2 shift + 1, 2 shift + 1, H, W), a view; one crop of each image is taken
    x = crops[xp.arange(len(x)), :, down, right]
    x[flipped] = x[flipped, :, :, ::-1]
    return x, labels[image]
