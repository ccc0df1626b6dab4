"""What happens to a picture between its file and a net: resized, cut, perhaps mirrored, normalised.

Evaluation is what torchvision does with the weights it publishes: the shorter side to 256 pixels,
the middle 224x224, values from 0 to 1, ImageNet's mean taken away, divided by its deviation.
"""

import math
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

from ..backend import Array
from .images import decode, opened, rgb, upright_size

MEAN = (0.485, 0.456, 0.406)  # of red, green and blue in ImageNet, white being 1
STD = (0.229, 0.224, 0.225)

AREA = (0.08, 1.0)  # of the picture that a random crop takes (Szegedy et al. 2014, section 6)
RATIO = (3 / 4, 4 / 3)  # of its width to its height

_TRIES = 10
_SPARE = 2.0  # a picture decoded at less than its size is still this many times what is needed

Box: TypeAlias = tuple[int, int, int, int]  # left, top, right, bottom, in pixels


def evaluation_picture(path: str | Path, size: int) -> Array:
    """The middle of the picture in a file, uint8 (3, size, size).

    Raises:
        DataError: it cannot be read; names the file.
    """
    picture = resized(decode(path), size)
    return _planes(picture.crop(middle(picture, size)))


def resized(picture: Image.Image, size: int) -> Image.Image:
    """The picture with its shorter side at 256 pixels for a `size` of 224, and so in proportion."""
    short = 256 * size // 224
    width, height = picture.size
    if width <= height:
        shape = short, int(short * height / width)
    else:
        shape = int(short * width / height), short
    return picture.resize(shape, Image.Resampling.BILINEAR)


def middle(picture: Image.Image, size: int) -> Box:
    """Where the middle size x size pixels are."""
    left, top = (round((length - size) / 2) for length in picture.size)
    return left, top, left + size, top + size


def training_picture(path: str | Path, size: int, chance: np.random.Generator) -> Array:
    """A random part of the picture in a file, mirrored half of the time, uint8 (3, size, size).

    Raises:
        DataError: it cannot be read; names the file.
    """
    with opened(path) as picture:
        width, height = upright_size(picture)
        left, top, right, bottom = random_box(width, height, chance)
        mirrored = chance.random() < 0.5
        enough = _SPARE * size / min(right - left, bottom - top)
        decoded = rgb(picture, at_least=enough)
    across, down = decoded.width / width, decoded.height / height  # 1, unless decoded smaller
    box = left * across, top * down, right * across, bottom * down
    part = decoded.resize((size, size), Image.Resampling.BILINEAR, box)
    return _planes(part)[:, :, ::-1] if mirrored else _planes(part)


def random_box(width: int, height: int, chance: np.random.Generator) -> Box:
    """A random part of a picture: its area in `AREA`, its shape in `RATIO`, its place anywhere.

    As torchvision's RandomResizedCrop draws it: shapes that do not fit are drawn again, ten times,
    and then it is the middle.
    """
    low, high = math.log(RATIO[0]), math.log(RATIO[1])
    for _ in range(_TRIES):
        area = width * height * chance.uniform(*AREA)
        ratio = math.exp(chance.uniform(low, high))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left = int(chance.integers(0, width - w + 1))
            top = int(chance.integers(0, height - h + 1))
            return left, top, left + w, top + h
    ratio = min(max(width / height, RATIO[0]), RATIO[1])
    w, h = min(width, round(height * ratio)), min(height, round(width / ratio))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def normalised(pictures: Array) -> Array:
    """uint8 pictures (N, 3, H, W) as a net sees them, float32."""
    x = pictures.astype(np.float32)
    x /= 255
    x -= np.array(MEAN, np.float32).reshape(3, 1, 1)
    x /= np.array(STD, np.float32).reshape(3, 1, 1)
    return x


def _planes(picture: Image.Image) -> Array:
    """(H, W, 3) -> (3, H, W)."""
    return np.asarray(picture).transpose(2, 0, 1)
