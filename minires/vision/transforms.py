"""From an image file to a model's input: resized, cropped, perhaps mirrored, normalised.

Evaluation is what torchvision does with the weights it publishes: the shorter side to 256 pixels,
the middle 224x224, values from 0 to 1, minus ImageNet's mean, divided by its standard deviation.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ..backend import Array
from .decoding import SPARE, decode, opened, rgb, upright_size

if TYPE_CHECKING:
    from PIL import Image

MEAN = (0.485, 0.456, 0.406)  # of red, green and blue in ImageNet, white being 1
STD = (0.229, 0.224, 0.225)

AREA = (0.08, 1.0)  # share of the image that a random crop takes (Szegedy et al. 2014, section 6)
RATIO = (3 / 4, 4 / 3)  # of its width to its height

_BILINEAR = 2  # PIL.Image.Resampling.BILINEAR, without importing Pillow
_TRIES = 10

Box: TypeAlias = tuple[int, int, int, int]  # left, top, right, bottom, in pixels


def evaluation_image(path: str | Path, size: int) -> Array:
    """Return the middle of the image in a file, uint8 (3, size, size); raise as `decode`."""
    image = resize_shorter(decode(path, size), size)
    return _planes(image.crop(middle(image, size)))


def resize_shorter(image: "Image.Image", size: int) -> "Image.Image":
    """Resize the shorter side to 256 pixels for a `size` of 224, and so in proportion."""
    short = 256 * size // 224
    width, height = image.size
    if width <= height:
        return image.resize((short, int(short * height / width)), _BILINEAR)
    return image.resize((int(short * width / height), short), _BILINEAR)


def middle(image: "Image.Image", size: int) -> Box:
    """Return the box of the middle size x size pixels."""
    left, top = (round((length - size) / 2) for length in image.size)
    return left, top, left + size, top + size


def training_image(path: str | Path, size: int, rng: np.random.Generator) -> Array:
    """Return a random crop of the image in a file, uint8 (3, size, size); raise as `decode`.

    Half of the crops are mirrored.
    """
    with opened(path) as image:
        width, height = upright_size(image)
        left, top, right, bottom = random_box(width, height, rng)
        mirrored = rng.random() < 0.5
        enough = SPARE * size / min(right - left, bottom - top)
        decoded = rgb(image, at_least=enough)
    across, down = decoded.width / width, decoded.height / height  # 1, unless decoded smaller
    box = left * across, top * down, right * across, bottom * down
    x = _planes(decoded.resize((size, size), _BILINEAR, box))
    return x[:, :, ::-1] if mirrored else x


def random_box(width: int, height: int, rng: np.random.Generator) -> Box:
    """Draw a random part of an image: its area in `AREA`, its shape in `RATIO`, anywhere.

    As torchvision's RandomResizedCrop: a shape that does not fit is drawn again, up to ten times;
    after that the box is the middle.
    """
    low, high = math.log(RATIO[0]), math.log(RATIO[1])
    for _ in range(_TRIES):
        area = width * height * rng.uniform(*AREA)
        ratio = math.exp(rng.uniform(low, high))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left = int(rng.integers(0, width - w + 1))
            top = int(rng.integers(0, height - h + 1))
            return left, top, left + w, top + h
    ratio = min(max(width / height, RATIO[0]), RATIO[1])
    w, h = min(width, round(height * ratio)), min(height, round(width / ratio))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def normalise(images: Array) -> Array:
    """Return uint8 images (N, 3, H, W) as a model sees them: (x / 255 − MEAN) / STD, float32."""
    x = images.astype(np.float32)
    x /= 255
    x -= np.array(MEAN, np.float32).reshape(3, 1, 1)
    x /= np.array(STD, np.float32).reshape(3, 1, 1)
    return x


def _planes(image: "Image.Image") -> Array:
    """Return the pixels of an image, uint8 (3, H, W)."""
    return np.asarray(image).transpose(2, 0, 1)
