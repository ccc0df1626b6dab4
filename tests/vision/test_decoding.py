"""Decoding: every kind of image there is, and everything that is none."""

import os
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from image_files import BAD, exif_entry, grey_tiff, many_scans, noisy_image, saved
from PIL import Image

from minires.errors import DataError
from minires.vision import decoding
from minires.vision.decoding import decode, opened, rgb, upright_size

GREY = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4


def decoded(content, tmp_path, name="p"):
    (tmp_path / name).write_bytes(content)
    image = decode(tmp_path / name)
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


def grey_levels(content, tmp_path):
    x = decoded(content, tmp_path)
    assert (x == x[:, :, :1]).all()
    return x[:, :, 0]


def test_rgb_comes_as_it_is(tmp_path):
    image = noisy_image()
    assert (decoded(saved(image), tmp_path) == np.asarray(image)).all()


@pytest.mark.parametrize("form", ["PNG", "GIF", "BMP", "TIFF", "PPM", "JPEG", "WEBP"])
def test_every_format_that_is_named_can_be_read(form, tmp_path):
    image = noisy_image()
    x = decoded(saved(image, form), tmp_path)
    assert np.abs(x - np.asarray(image)).mean() < 20


def test_grey_is_grey(tmp_path):
    assert (grey_levels(saved(Image.fromarray(GREY)), tmp_path) == GREY).all()


def test_black_and_white_is_0_and_255(tmp_path):
    levels = grey_levels(saved(Image.fromarray(GREY > 100)), tmp_path)
    assert (levels == np.where(GREY > 100, 255, 0)).all()


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM"])
def test_16_bits_of_grey_become_8_and_white_stays_white(form, tmp_path):
    deep = Image.fromarray(GREY.astype(np.uint16) * 257)
    assert (grey_levels(saved(deep, form), tmp_path) == GREY).all()
    white = Image.fromarray(np.full((8, 8), 65535, np.uint16))
    assert (grey_levels(saved(white, form), tmp_path) == 255).all()


@pytest.mark.parametrize(
    ("bits", "white_is_zero"),
    [(4, False), (4, True), (8, True), (12, False), (16, False), (16, True)],
)
def test_white_is_white_whatever_the_bits_of_a_tiff(bits, white_is_zero, tmp_path):
    levels = np.array([[0, 1, 2, 3], [4, 5, 10, 15]]) * (2**bits - 1) // 15
    expected = 255 - 17 * np.array([[0, 1, 2, 3], [4, 5, 10, 15]])
    got = grey_levels(grey_tiff(levels, bits, white_is_zero), tmp_path)
    assert np.abs(got - (expected if white_is_zero else 255 - expected)).max() <= 1
    assert got[0, 0] == 255 * white_is_zero


def test_a_palette_is_looked_up(tmp_path):
    image = noisy_image().quantize(8)
    assert image.mode == "P"
    assert (decoded(saved(image), tmp_path) == np.asarray(image.convert("RGB"))).all()


def test_cmyk_is_turned_into_rgb(tmp_path):
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))  # no cyan, all magenta and yellow: red
    red = decoded(saved(image, "JPEG", quality=95), tmp_path)[4, 4]
    assert red[0] > 200
    assert max(red[1:]) < 60


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_white_shows_through_what_is_transparent(mode, tmp_path):
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 4, 8))
    options = {}
    if mode == "P":
        image, options = Image.new("P", (8, 8), 1), {"transparency": 1}
        image.putpalette([0, 0, 0, 10, 20, 30])
        image.paste(0, (0, 0, 4, 8))
    else:
        image = image.convert(mode)
    levels = grey_levels(saved(image, "PNG", **options), tmp_path)
    assert (levels[:, :4] == 0).all()
    assert (levels[:, 4:] == 255).all()


def test_half_transparent_is_half_white(tmp_path):
    levels = grey_levels(saved(Image.new("RGBA", (8, 8), (0, 0, 0, 128))), tmp_path)
    assert abs(levels - 127).max() <= 1


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_frame_is_taken(form, tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "green")]
    options = {"lossless": True} if form == "WEBP" else {}
    content = saved(frames[0], form, save_all=True, append_images=frames[1:], **options)
    x = decoded(content, tmp_path)
    assert (x == (255, 0, 0)).all()


ORIENTATIONS = {  # where the image's upper left corner has gone in what the camera wrote
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_a_camera_held_on_its_side_gives_an_upright_image(form, orientation, tmp_path):
    upright = np.asarray(noisy_image(width=40, height=24))
    upright = upright.repeat(8, 0).repeat(8, 1)
    written = Image.fromarray(np.ascontiguousarray(ORIENTATIONS[orientation](upright)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    lossless = {"lossless": True} if form == "WEBP" else {}
    content = saved(written, form, exif=exif, **lossless)
    x = decoded(content, tmp_path)
    if form == "JPEG":
        assert np.abs(x - upright).mean() < 20
    else:
        assert (x == upright).all()
    with opened(tmp_path / "p") as opened_image:
        assert upright_size(opened_image) == (320, 192)


def test_exif_that_makes_no_sense_is_passed_over(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 99
    image = noisy_image()
    assert (decoded(saved(image, exif=exif), tmp_path) == np.asarray(image)).all()
    assert decoded(saved(image, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff"), tmp_path).shape[2] == 3


ODD_FIELDS = {  # tag, type, count, value: text where a number is expected, and addresses of nothing
    "resolution unit": (0x0128, 2, 2, b"2\0\0\0"),
    "resolution": (0x011A, 2, 3, b"72\0\0"),
    "GPS": (0x8825, 4, 1, b"\xff\xff\0\0"),
    "EXIF inside EXIF": (0x8769, 2, 2, b"x\0\0\0"),
    "of no type": (0x0100, 99, 1, bytes(4)),
}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("odd", ODD_FIELDS)
def test_an_image_is_turned_whatever_else_is_in_its_exif(odd, form, tmp_path):
    image = noisy_image(width=40, height=24)
    exif = exif_entry((0x0112, 3, 1, b"\6\0\0\0"), ODD_FIELDS[odd])
    assert decoded(saved(image, form, exif=exif), tmp_path).shape == (40, 24, 3)
    with opened(tmp_path / "p") as opened_image:
        assert upright_size(opened_image) == (24, 40)


def test_a_jpeg_can_be_decoded_smaller_where_that_is_enough(tmp_path):
    image = noisy_image(width=400, height=320)
    (tmp_path / "p.jpg").write_bytes(saved(image, "JPEG"))
    for share, expected in ((1.5, 400), (0.7, 400), (0.5, 200), (0.3, 200), (0.2, 100), (0, 50)):
        with opened(tmp_path / "p.jpg") as opened_image:
            assert rgb(opened_image, at_least=share).width == expected


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_a_sentence_with_its_name(name, tmp_path):
    content, said = BAD[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name} cannot be read: .*{said}"):
        decode(tmp_path / name)


def test_no_file_at_all_is_a_sentence(tmp_path):
    with pytest.raises(DataError, match="nothing cannot be read: it does not exist"):
        decode(tmp_path / "nothing")
    with pytest.raises(DataError, match="cannot be read: it is not a file"):
        decode(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="pipe cannot be read: it is not a file"):
        decode(tmp_path / "pipe")  # and does not wait for somebody to write to it


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid x\n",
            "it is a Git LFS pointer, .* pull",
        ),
        (b"<!DOCTYPE html>\n<html>", r"it is a web page \(HTML\)"),
        (b'{"images": []}', "it is JSON"),
    ],
)
def test_a_file_that_is_something_else_is_named_for_what_it_is(tmp_path, content, said):
    (tmp_path / "p.png").write_bytes(content)
    with pytest.raises(DataError, match=rf"p\.png cannot be read: {said}"):
        decode(tmp_path / "p.png")


def test_a_file_that_runs_a_program_is_not_opened(tmp_path):
    (tmp_path / "p.eps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n")
    with pytest.raises(DataError, match="it is not an image"):
        decode(tmp_path / "p.eps")


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), RecursionError("x")])
def test_whatever_a_decoder_raises_is_a_sentence(error, tmp_path, monkeypatch):
    (tmp_path / "p.png").write_bytes(saved(noisy_image()))

    def fail(*_):
        raise error

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fail)
    with pytest.raises(DataError, match=r"p\.png cannot be read"):
        decode(tmp_path / "p.png")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"])
def test_damage_anywhere_raises_nothing_but_a_data_error(form, tmp_path):
    rng = np.random.default_rng(0)
    whole = saved(noisy_image(), form)
    refused = 0
    for _ in range(60):
        damaged = bytearray(whole)
        for i in rng.integers(0, min(len(whole), 300), 5):
            damaged[i] = rng.integers(256)
        (tmp_path / "p").write_bytes(bytes(damaged))
        try:
            decode(tmp_path / "p")
        except DataError:
            refused += 1
    assert refused > 0 or form == "BMP"  # which has little in it that can be wrong


# --- bounds of time and memory ------------------------------------------------------------------


def test_scans_of_a_jpeg_are_counted(tmp_path):
    grey = Image.new("L", (3000, 3000))
    (tmp_path / "p.jpg").write_bytes(many_scans(grey, 10))
    assert decode(tmp_path / "p.jpg").size == (3000, 3000)
    (tmp_path / "p.jpg").write_bytes(many_scans(grey, 400))
    with pytest.raises(DataError, match=r"its 40\d scans of 3000x3000 pixels are too many"):
        decode(tmp_path / "p.jpg")


MEMORY = """
    import sys
    from PIL import Image, PngImagePlugin
    from minires.vision.transforms import evaluation_image
    def peak():
        lines = open("/proc/self/status").read().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1000
    before = peak()
    evaluation_image(sys.argv[1], 224)
    print(peak() - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the system does not count it")
@pytest.mark.parametrize(("mode", "most"), [("I;16", 200), ("LA", 350), ("P", 150)])
def test_a_large_image_is_in_memory_once_and_not_in_many_forms(mode, most, tmp_path):
    image = Image.new(mode, (7_300, 7_000))  # of 102, 204 and 51 MB in Pillow
    image.save(tmp_path / "p.png", compress_level=1)
    done = in_a_process(MEMORY, tmp_path / "p.png")
    assert float(done.stdout) < most, done.stderr


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "I;16", "P", "1", "CMYK"])
@pytest.mark.parametrize("turned", [1, 6])
def test_strips_have_no_seams_and_a_large_image_is_decoded_smaller(
    mode, turned, tmp_path, monkeypatch
):
    colours = noisy_image(width=640, height=464)
    image = colours.convert("L").convert("I;16") if mode == "I;16" else colours.convert(mode)
    exif = Image.Exif()
    exif[0x0112] = turned
    (tmp_path / "p").write_bytes(saved(image, "TIFF" if mode == "CMYK" else "PNG", exif=exif))
    whole = decode(tmp_path / "p", 100)
    monkeypatch.setattr(decoding, "_STRIP", 640 * 32)
    assert np.array_equal(decode(tmp_path / "p", 100), whole)
    monkeypatch.setattr(decoding, "_LARGE", 640 * 463)
    assert np.array_equal(decode(tmp_path / "p"), whole)
    assert np.array_equal(decode(tmp_path / "p", 231), whole)
    assert np.array_equal(decode(tmp_path / "p", 100), whole.reduce(2))
    assert np.array_equal(decode(tmp_path / "p", 10), whole.reduce(8))


SLOW = {  # to Pillow: it reads each byte, or each pixel, or a block of text for each comment in it
    "a long comment": b"P6\n#" + b"x" * 2_000_000 + b"\n1 1 255\nabc",
    "many comments": b"P3 1 1 255\n" + b"#\n" * 600_000 + b"1 2 3\n",
    "an odd white": b"P6 700 700 254\n" + bytes(3 * 700 * 700),
}


@pytest.mark.parametrize("name", SLOW)
def test_what_takes_too_long_is_a_sentence(name, tmp_path, monkeypatch):
    monkeypatch.setattr("minires.vision.decoding.SECONDS", 0.2)
    (tmp_path / "p.ppm").write_bytes(SLOW[name])
    started = time.thread_time()
    with pytest.raises(DataError, match=r"p\.ppm cannot be read: it takes more than 0\.2 seconds"):
        decode(tmp_path / "p.ppm")
    assert time.thread_time() - started < 3


# --- without Pillow ---------------------------------------------------------------------------


def in_a_process(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_module_of_minires_imports_pillow_before_an_image_is_opened():
    done = in_a_process("""
        import sys
        import minires.cli, minires.vision.finetune, minires.vision.worker_main
        assert "PIL" not in sys.modules
    """)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("workers", [0, 1])
def test_a_missing_pillow_is_a_sentence(workers, tmp_path):
    (tmp_path / "p.png").write_bytes(saved(noisy_image()))
    (tmp_path / "PIL.py").write_text("raise ImportError('No module named PIL')")
    done = in_a_process(
        """
        import os, sys
        sys.path.insert(0, sys.argv[1])
        os.environ["PYTHONPATH"] = sys.argv[1]
        from minires.errors import MiniresError
        from minires.vision.workers import Workers
        task = {"do": "problems", "paths": [sys.argv[1] + "/p.png"]}
        with Workers(int(sys.argv[2])) as workers:
            try:
                next(workers.results([task]))
            except MiniresError as error:
                print(error)
        """,
        tmp_path,
        workers,
    )
    assert "image files are decoded by Pillow, which cannot be imported" in done.stdout, done.stderr
