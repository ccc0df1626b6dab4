"""A picture file, decoded: upright, RGB, and safe to open whatever is in it.

Nothing a file claims is believed before it is checked, and whatever goes wrong is a sentence that
names the file.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ..backend import Array
from ..errors import DataError, expect

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")  # no EPS: that runs a program
MOST_PIXELS = 100_000_000  # 300 MB when decoded; the largest cameras make as many
MOST_TIMES = (
    100  # as long as it is wide: the shorter side is enlarged to 256, and the longer with it
)

_TURNED = (5, 6, 7, 8)  # EXIF orientations of a camera held on its side


@contextmanager
def opened(path: str | Path) -> Iterator[Image.Image]:
    """The picture in a file, of which nothing but the header was read yet.

    Raises:
        DataError: it cannot be read, on opening or later inside: no picture, cut short, of a size
            that no camera makes, or of a kind without colours.
    """
    path = Path(path)
    try:
        expect(path.is_file(), DataError, "it is no file" if path.exists() else "it is not there")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, about files that it can read all the same
            with Image.open(path, formats=FORMATS) as picture:
                _expect_size(*picture.size)
                yield picture
    except MemoryError:
        raise DataError(f"{path} cannot be read: there is not enough memory for it") from None
    except Image.DecompressionBombError:  # of several times our own limit
        raise DataError(f"{path} cannot be read: {_too_large()}") from None
    except UnidentifiedImageError:
        raise DataError(
            f"{path} cannot be read: it is not a picture, or none of {', '.join(FORMATS)}"
        ) from None
    except Exception as error:  # a decoder that is fed anything may raise anything
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DataError(f"{path} cannot be read: {reason}") from error


def upright_size(picture: Image.Image) -> tuple[int, int]:
    """Width and height of a picture as it is meant to be seen."""
    width, height = picture.size
    # Pillow knows a turned TIFF by its upright size from the start.
    turned = picture.format != "TIFF" and _orientation(picture) in _TURNED
    return (height, width) if turned else (width, height)


def rgb(picture: Image.Image, at_least: float = 1.0) -> Image.Image:
    """The opened picture, decoded, turned upright as its EXIF entry says, in 8 bits of RGB.

    Of an animation it is the first frame; what is transparent shows white behind it; 16 bits of
    grey become 8.

    Args:
        picture: what `opened` gave.
        at_least: a share of its width and height that is enough: a JPEG may then be decoded at a
            half, a quarter or an eighth of its size, in less time.

    Raises:
        DataError: its numbers have no known black and white.
    """
    if at_least < 1:
        width, height = picture.size
        picture.draft(None, (max(1, int(width * at_least)), max(1, int(height * at_least))))
    upright = ImageOps.exif_transpose(picture)
    sixteen_bits = upright.mode == "I" and picture.format != "TIFF"  # 32 of them, but not all used
    if sixteen_bits or upright.mode.startswith("I;16"):
        return Image.fromarray(_eight_bits(np.asarray(upright))).convert("RGB")
    expect(
        upright.mode not in ("I", "F"),
        DataError,
        "it holds 32-bit numbers, and does not say which of them is white",
    )
    if upright.has_transparency_data:
        white = Image.new("RGBA", upright.size, "white")
        upright = Image.alpha_composite(white, upright.convert("RGBA"))
    return upright.convert("RGB")


def decode(path: str | Path) -> Image.Image:
    """The picture in a file, upright and RGB; see `rgb`.

    Raises:
        DataError: it cannot be read; names the file.
    """
    with opened(path) as picture:
        return rgb(picture)


def _orientation(picture: Image.Image) -> int:
    orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    return orientation if isinstance(orientation, int) else 1


def _eight_bits(grey: Array) -> Array:
    """uint16, 65,535 being white, as uint8."""
    return np.rint(grey / 257).astype(np.uint8)


def _expect_size(width: int, height: int) -> None:
    expect(width * height <= MOST_PIXELS, DataError, _too_large(f"{width}x{height} pixels are"))
    long, short = max(width, height), min(width, height)
    expect(
        long <= MOST_TIMES * short,
        DataError,
        f"it is {width}x{height} pixels, more than {MOST_TIMES} times as long as wide",
    )


def _too_large(given: str = "it has") -> str:
    return f"{given} more than the {MOST_PIXELS // 1_000_000} million pixels that are decoded"
