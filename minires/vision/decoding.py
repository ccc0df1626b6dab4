"""Decode an image file: upright, RGB, and safe whatever the file contains.

Every failure is an error that names the file. The size that a file claims is checked before memory
is reserved for it, and the time that it takes is bounded. Of an image of `MAX_PIXELS` no process
needs more memory than 0.8 GB, but 1.2 GB for a TIFF and 1.6 GB for a WebP, whose libraries decode
into buffers of their own; of a JPEG mostly far less. Pillow is imported by the first file that is
opened.
"""

import io
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import Array
from ..errors import DataError, UsageError
from ..files import mistaken

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")  # no EPS: that runs a program
MAX_PIXELS = 100_000_000  # the largest cameras make as many
MAX_ASPECT = 100  # longer to shorter side: the shorter is enlarged to 256, and the longer with it
SECONDS = 30  # of computing for a file; the largest take a tenth of it, but for PPMs of 16 bits
SPARE = 2.0  # an image decoded at less than its size still has this many times the pixels needed

_TOO_MANY = f"more than the {MAX_PIXELS // 1_000_000} million pixels that are decoded"
_LARGE = 50_000_000  # pixels above which no more of an image is decoded than is needed
_SCANNED = 30 * MAX_PIXELS  # pixels in all scans of a JPEG; a progressive one has some 10 scans
_STRIP = 4_000_000  # pixels that are converted at a time
_BLOCK = 1 << 18  # bytes of a PPM read at a time: Pillow's time for comments grows with its square
_BITS, _PHOTOMETRIC, _ORIENTATION = 0x0102, 0x0106, 0x0112  # tags of TIFF; the last one of EXIF too
_TURNED = (5, 6, 7, 8)  # orientations of a camera held on its side


class _TimedFile(io.BufferedReader):
    """A file that can be read until this thread has computed for `SECONDS` since it was opened.

    Attributes:
        most: bytes that are read at a time, at most; None for no bound.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))
        self.most: int | None = None
        self._until = time.thread_time() + SECONDS
        self._reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes; raise DataError if it is too late."""
        self._reads += 1
        # Of the reads of single bytes one in 64: to look at the clock takes longer than they do.
        if (size != 1 or self._reads % 64 == 0) and time.thread_time() > self._until:
            raise DataError(f"it takes more than {SECONDS} seconds to decode")
        return super().read(self.most if self.most and size and size > self.most else size)


@contextmanager
def opened(path: str | Path) -> Iterator["Image.Image"]:
    """Open the image in a file, of which only the header is read at first.

    Raises:
        DataError: on opening or later inside: not an image, cut short, of a size that no camera
            makes, made to take long, or of a kind without colours; names the file.
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
        if not os.path.isfile(path):
            raise DataError("it is not a file" if os.path.exists(path) else "it does not exist")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, about files that it can read all the same
            with _TimedFile(path) as file, Image.open(file, formats=FORMATS) as image:
                if image.format == "PPM":
                    file.most = _BLOCK
                _check_size(image)
                _check_scans(image, path)
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


def decoders() -> dict[str, str | None]:
    """Return the versions of Pillow and of its libraries: other ones may decode other pixels."""
    from PIL import features

    return {f"pillow.{name}": features.version(name) for name in ("pil", "jpg", "webp", "libtiff")}


def _other_kind(path: Path) -> str:
    """Return what a file is that is no image."""
    what = None
    with suppress(OSError), open(path, "rb") as file:
        what = mistaken(file.read(100))
    return what or f"not an image, or none of {', '.join(FORMATS)} that Pillow can decode"


def _check_size(image: "Image.Image") -> None:
    long, short = max(image.size), min(image.size)
    size = f"{image.width}x{image.height} pixels"
    if long * short > MAX_PIXELS:
        raise DataError(f"{size} are {_TOO_MANY}")
    if long > MAX_ASPECT * short:
        raise DataError(f"it is {size}, more than {MAX_ASPECT} times as long as wide")


def _check_scans(image: "Image.Image", path: Path) -> None:
    """Raise DataError for a JPEG of too many scans: each goes over all pixels, in a few bytes."""
    if image.format in ("JPEG", "MPO"):  # the latter has several JPEGs in one file
        scans = path.read_bytes().count(b"\xff\xda")
        if scans * image.width * image.height > _SCANNED:
            raise DataError(
                f"its {scans} scans of {image.width}x{image.height} pixels are too many"
            )


def upright_size(image: "Image.Image") -> tuple[int, int]:
    """Return width and height of an image turned upright."""
    width, height = image.size
    return (height, width) if _orientation(image) in _TURNED else (width, height)


def rgb(image: "Image.Image", at_least: float = 1.0) -> "Image.Image":
    """Decode an opened image to 8 bits of RGB, turned upright as its EXIF entry says.

    Of an animation the first frame is taken; transparent pixels show white; more than 8 bits of
    grey become 8.

    Args:
        image: from `opened`; it is used up.
        at_least: the share of its width and height that is needed: a JPEG, or any image of over 50
            million pixels, may then be decoded at a half, a quarter or an eighth of its size, in
            less time and memory.

    Raises:
        DataError: its numbers have no known black and white.
    """
    from PIL import Image

    width, height = image.size
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(_orientation(image))
    by = 1
    if at_least < 1:
        image.draft(None, (max(1, int(width * at_least)), max(1, int(height * at_least))))
        if image.size == (width, height) and width * height > _LARGE:
            by = next(by for by in (8, 4, 2, 1) if by * at_least <= 1)
    image.load()
    if by == 1 and image.mode == "RGB" and not image.has_transparency_data:
        converted = image
    else:
        converted = _converted(image, by)
        image.close()  # which frees its memory, before that of the turned image is needed
    return converted if turn is None else converted.transpose(turn)


def decode(path: str | Path, size: int | None = None) -> "Image.Image":
    """Decode the image in a file, upright and RGB; see `rgb`.

    Args:
        path: the file.
        size: the pixels that are needed of its shorter side: an image of over 50 million pixels is
            then decoded smaller, with at least twice as many; None for all pixels.

    Raises:
        DataError: it cannot be read; names the file.
    """
    with opened(path) as image:
        large = image.width * image.height > _LARGE
        return rgb(image, SPARE * size / min(image.size) if size and large else 1.0)


def _orientation(image: "Image.Image") -> Any:
    """Return the orientation in an image's EXIF entry, 1 to 8, or anything else if it has none."""
    if image.format == "TIFF":  # Pillow turns these itself, and knows their upright size
        return None
    try:
        return image.getexif().get(_ORIENTATION)
    except Exception:  # an entry that makes no sense may raise anything, and is passed over
        return None


def _converted(image: "Image.Image", by: int) -> "Image.Image":
    """Return an image as RGB, `by` x `by` pixels averaged to one.

    It is converted in strips: only one of them is in memory in more forms than the old and the new.
    """
    from PIL import Image

    width, height = image.size
    converted = Image.new("RGB", (-(-width // by), -(-height // by)))
    rows = by * max(1, _STRIP // (by * width))
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        if image.mode.startswith(("I", "F")):
            strip = Image.fromarray(_grey(image, np.asarray(strip)))
        elif strip.has_transparency_data:
            white = Image.new("RGBA", strip.size, "white")
            strip = Image.alpha_composite(white, strip.convert("RGBA"))
        converted.paste(strip.convert("RGB").reduce(by), (0, top // by))
    return converted


def _grey(image: "Image.Image", pixels: Array) -> Array:
    """Return pixels of an image of more than 8 bits of grey as 8 bits, uint8."""
    from PIL.TiffImagePlugin import TiffImageFile

    white = 65_535  # to which Pillow scales those of other formats
    if isinstance(image, TiffImageFile):
        white = 2 ** image.tag_v2[_BITS][0] - 1
        if image.tag_v2[_PHOTOMETRIC] == 0:  # 0 is white
            pixels = white - pixels
    if image.mode == "F" or (image.mode == "I" and image.format == "TIFF"):
        raise DataError("it holds 32-bit numbers, and does not say which of them is white")
    return np.rint(pixels / (white / 255)).astype(np.uint8)
