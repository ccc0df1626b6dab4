"""Folders of small images for the tests, good and bad ones."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

COLOURS = {"red": (200, 30, 40), "green": (40, 180, 60), "blue": (30, 60, 210)}


def noisy_image(colour=(120, 80, 40), width=40, height=32, seed=0):
    """An image of one colour with some noise on it."""
    noise = np.random.default_rng(seed).normal(0, 20, (height, width, 3))
    return Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8))


def class_folders(root, n=6, colours=COLOURS, form="png", **shape):
    """`n` images of each colour, each colour in its folder."""
    for k, (name, colour) in enumerate(colours.items()):
        (root / name).mkdir(parents=True)
        for i in range(n):
            noisy_image(colour, seed=100 * k + i, **shape).save(root / name / f"{i}.{form}")
    return root


def saved(image, form="PNG", **options):
    """The bytes of an image file."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def png_of(width, height):
    """A PNG that claims to be of this size, with next to nothing in it."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + chunk(b"IEND", b"")
    )


BAD = {  # name, content, what is said about it
    "notes.txt": (b"milk, eggs", "it is not an image, or none of JPEG, PNG"),
    "empty.jpg": (b"", "it is not an image"),
    "cut short.jpg": (saved(noisy_image(width=300, height=300), "JPEG")[:5000], "truncated"),
    "cut short.png": (saved(noisy_image(width=300, height=300))[:5000], "truncated"),
    "bomb.png": (png_of(12_000, 9_000), r"12000x9000 pixels are more than the 100 million"),
    "larger bomb.png": (png_of(50_000, 50_000), "it has more than the 100 million"),
    "ribbon.png": (png_of(1_000_000, 20), r"1000000x20 pixels, more than 100 times as long"),
    "floats.tif": (
        saved(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF"),
        "it holds 32-bit numbers",
    ),
}


def exif_entry(*fields):
    """An EXIF entry of fields (tag, type, count, 4 bytes): Pillow writes no odd ones."""
    rows = b"".join(struct.pack("<HHI4s", *field) for field in fields)
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(fields)) + rows + bytes(4)


def grey_tiff(levels, bits, white_is_zero=False):
    """A TIFF of grey levels (H, W) of so many bits each, packed, the rows to whole bytes."""
    height, width = levels.shape
    rows = [[f"{level:0{bits}b}" for level in row] for row in levels.tolist()]
    if bits == 16:  # in the order of the file's bytes
        rows = [[level[8:] + level[:8] for level in row] for row in rows]
    padded = ["".join(row).ljust(-(-width * bits // 8) * 8, "0") for row in rows]
    data = b"".join(int(row, 2).to_bytes(len(row) // 8, "big") for row in padded)
    fields = {
        256: width,
        257: height,
        258: bits,
        259: 1,
        262: 0 if white_is_zero else 1,
        273: 8 + 2 + 9 * 12 + 4,
        277: 1,
        278: height,
        279: len(data),
    }
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in fields.items())
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(fields)) + rows + bytes(4) + data


def many_scans(image, scans):
    """A progressive JPEG whose last scan is there so many times."""
    content = saved(image, "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    return content[:last] + content[last:-2] * scans + content[-2:]
