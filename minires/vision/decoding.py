"""Decode an image file: upright, RGB, and safe whatever the file contains.

The size that a file claims is checked before memory is reserved for it, and every failure is an
error that names the file. Pillow is imported by the first file that is opened.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DataError, UsageError
from ..files import mistaken

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")  # no EPS: that runs a program
MAX_PIXELS = 100_000_000  # 300 MB when decoded; the largest cameras make as many
MAX_ASPECT = 100  # longer to shorter side: the shorter is enlarged to 256, and the longer with it
_TOO_MANY = f"more than the {MAX_PIXELS // 1_000_000} million pixels that are decoded"
_ORIENTATION = 0x0112  # the EXIF tag
_TURNED = (5, 6, 7, 8)  # its values for a camera held on its side


@contextmanager
def opened(path: str | Path) -> Iterator["Image.Image"]:
    """Open the image in a file, of which only the header is read at first.

    Raises:
        DataError: on opening or later inside: not an image, cut short, of a size that no camera
            makes, or of a kind without colours; names the file.
        UsageError: Pillow is not installed.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise UsageError(
            f"image files are decoded by Pillow, which cannot be imported ({error}); "
            "install it with: pip install pillow"
        ) from error
    path = Path(path)
    try:
        if not path.is_file():
            raise DataError("it is not a file" if path.exists() else "it does not exist")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, about files that it can read all the same
            with Image.open(path, formats=FORMATS) as image:
                long, short = max(image.size), min(image.size)
                size = f"{image.width}x{image.height} pixels"
                if long * short > MAX_PIXELS:
                    raise DataError(f"{size} are {_TOO_MANY}")
                if long > MAX_ASPECT * short:
                    raise DataError(f"it is {size}, more than {MAX_ASPECT} times as long as wide")
                yield image
    except Exception as error:  # a decoder that is given any bytes may raise anything
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, MemoryError):
            reason = "there is not enough memory for it"
        elif isinstance(error, Image.DecompressionBombError):  # at several times our own limit
            reason = f"it has {_TOO_MANY}"
        elif isinstance(error, UnidentifiedImageError):
            reason = f"it is {_other_kind(path)}"
        raise DataError(f"{path} cannot be read: {reason}") from error


def _other_kind(path: Path) -> str:
    """Return what a file is that is no image."""
    what = None
    with suppress(OSError), open(path, "rb") as file:
        what = mistaken(file.read(100))
    return what or f"not an image, or none of {', '.join(FORMATS)}"


def upright_size(image: "Image.Image") -> tuple[int, int]:
    """Return width and height of an image turned upright."""
    width, height = image.size
    # Pillow knows a turned TIFF by its upright size from the start.
    turned = image.format != "TIFF" and image.getexif().get(_ORIENTATION) in _TURNED
    return (height, width) if turned else (width, height)


def rgb(image: "Image.Image", at_least: float = 1.0) -> "Image.Image":
    """Decode an opened image to 8 bits of RGB, turned upright as its EXIF entry says.

    Of an animation the first frame is taken; transparent pixels show white; 16 bits of grey become
    8.

    Args:
        image: from `opened`.
        at_least: the share of its width and height that is needed: a JPEG may then be decoded at
            a half, a quarter or an eighth of its size, in less time.

    Raises:
        DataError: its numbers have no known black and white.
    """
    from PIL import Image, ImageOps

    if at_least < 1:
        width, height = image.size
        image.draft(None, (max(1, int(width * at_least)), max(1, int(height * at_least))))
    upright = ImageOps.exif_transpose(image)
    sixteen_bits = upright.mode == "I" and image.format != "TIFF"  # 32 of them, but not all used
    if sixteen_bits or upright.mode.startswith("I;16"):
        grey = np.rint(np.asarray(upright) / 257).astype(np.uint8)  # 65,535 is white
        return Image.fromarray(grey).convert("RGB")
    if upright.mode in ("I", "F"):
        raise DataError("it holds 32-bit numbers, and does not say which of them is white")
    if upright.has_transparency_data:
        white = Image.new("RGBA", upright.size, "white")
        upright = Image.alpha_composite(white, upright.convert("RGBA"))
    return upright.convert("RGB")


def decode(path: str | Path) -> "Image.Image":
    """Decode the image in a file, upright and RGB; see `rgb`.

    Raises:
        DataError: it cannot be read; names the file.
    """
    with opened(path) as image:
        return rgb(image)
