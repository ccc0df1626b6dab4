"""Preprocessing, held against the formulas written out, and against PyTorch's own resize."""

import numpy as np
import oracles
import pytest
from image_files import noisy_image, saved
from oracles import needs_torch
from PIL import Image

from minires.vision.decoding import decode
from minires.vision.transforms import (
    AREA,
    RATIO,
    evaluation_image,
    normalise,
    random_box,
    resize_shorter,
    training_image,
)

SHAPES = [(300, 200), (200, 300), (256, 256), (500, 375), (97, 401), (31, 20), (640, 257)]


def triangle_weights(n, m):
    """(m, n): how much each of n pixels counts for each of m; bilinear, without aliases."""
    scale = n / m
    width = max(scale, 1)
    centres = (np.arange(m) + 0.5) * scale
    pixels = np.arange(n) + 0.5
    weights = np.maximum(0, 1 - np.abs(pixels - centres[:, None]) / width)
    return weights / weights.sum(axis=1, keepdims=True)


def half_up(x):
    """Rounded to whole levels, a half upwards, but for the noise of float64 as below a level."""
    return np.floor(x + 0.5 + 1e-9)


def by_hand(x, size):
    """Resize the shorter side, cut the middle: (H, W, 3) -> (size, size, 3), in float64.

    Twice: along the rows first and along the columns first, with whole levels in between; Pillow
    takes the way that is less work.
    """
    short = size * 256 / 224
    assert short == int(short)
    H, W = x.shape[:2]
    # As torchvision's Resize and CenterCrop round.
    if W <= H:
        w, h = int(short), int(int(short) * H / W)
    else:
        w, h = int(int(short) * W / H), int(short)
    top, left = round((h - size) / 2), round((w - size) / 2)
    for passes in ((1, 0), (0, 1)):
        y = x
        for axis in passes:
            weights = triangle_weights(*((W, w) if axis else (H, h)))
            along = np.moveaxis(np.tensordot(weights, y, (1, axis)), 0, axis)
            y = half_up(along)
        yield y[top : top + size, left : left + size].transpose(2, 0, 1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [224, 56])
def test_evaluation_is_the_formula(shape, size, tmp_path):
    image = noisy_image(width=shape[0], height=shape[1], seed=1)
    (tmp_path / "p.png").write_bytes(saved(image))
    got = evaluation_image(tmp_path / "p.png", size)
    assert got.shape == (3, size, size)
    assert got.dtype == np.uint8
    ways = by_hand(np.asarray(image).astype(float), size)
    off = min((np.abs(got - expected) for expected in ways), key=np.mean)
    assert off.max() <= 1  # where the exact value lies between two levels
    assert (off > 0).mean() < 0.01


@needs_torch
@pytest.mark.parametrize("shape", SHAPES)
def test_resizing_is_pytorchs(shape):
    image = noisy_image(width=shape[0], height=shape[1], seed=2)
    got = np.asarray(resize_shorter(image, 224))
    x = oracles.to_torch(np.asarray(image).transpose(2, 0, 1)[None])
    expected = oracles.torch.nn.functional.interpolate(
        x, got.shape[:2], mode="bilinear", antialias=True
    )
    off = np.abs(got.transpose(2, 0, 1) - expected[0].numpy().astype(int))
    assert off.max() <= 1
    assert (off > 0).mean() < 0.01


def test_values_are_normalised_by_imagenets_mean_and_deviation():
    x = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 4), dtype=np.uint8)
    got = normalise(x)
    assert got.dtype == np.float32
    for c, (mean, std) in enumerate(((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))):
        np.testing.assert_allclose(got[:, c], (x[:, c] / 255 - mean) / std, rtol=1e-5, atol=1e-6)


# --- training -------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [(500, 375), (30, 400), (1, 1), (7, 5)])
def test_random_boxes_are_inside_and_of_the_areas_and_shapes_that_were_asked_for(width, height):
    chance = np.random.default_rng(0)
    boxes = [random_box(width, height, chance) for _ in range(300)]
    for left, top, right, bottom in boxes:
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
    if (width, height) == (500, 375):
        w, h = (np.array([b[i + 2] - b[i] for b in boxes]) for i in (0, 1))
        share, ratio = w * h / (width * height), w / h
        assert AREA[0] * 0.98 <= share.min() < 0.15
        assert 0.9 < share.max() <= 1
        assert RATIO[0] * 0.98 <= ratio.min() < 0.8
        assert 1.25 < ratio.max() <= RATIO[1] * 1.02
        assert abs(np.log(ratio).mean()) < 0.05
        lefts = np.array([b[0] for b in boxes]) / np.maximum(width - w, 1)
        assert abs(lefts.mean() - 0.5) < 0.1


def test_where_no_shape_fits_it_is_the_middle():
    assert random_box(1000, 20, np.random.default_rng(0)) == (486, 0, 513, 20)
    assert random_box(20, 1000, np.random.default_rng(0)) == (0, 486, 20, 513)


def test_a_training_image_is_the_box_resized_and_half_of_them_mirrored(tmp_path):
    image = noisy_image(width=120, height=90)
    (tmp_path / "p.png").write_bytes(saved(image))
    mirrored = 0
    for seed in range(40):
        got = training_image(tmp_path / "p.png", 32, np.random.default_rng(seed))
        box = random_box(120, 90, np.random.default_rng(seed))
        part = image.resize((32, 32), Image.Resampling.BILINEAR, box)
        straight = np.asarray(part).transpose(2, 0, 1)
        if (got == straight).all():
            continue
        assert (got == straight[:, :, ::-1]).all()
        mirrored += 1
    assert 10 < mirrored < 30


def by_hand_from_all_pixels(path, size, seed):
    """What `training_image` would return without decoding a JPEG at less than its size."""
    rng = np.random.default_rng(seed)
    whole = decode(path)
    box = random_box(*whole.size, rng)
    part = np.asarray(whole.resize((size, size), Image.Resampling.BILINEAR, box))
    return part.transpose(2, 0, 1)[:, :, :: -1 if rng.random() < 0.5 else 1]


def test_a_large_jpeg_decoded_smaller_gives_nearly_the_same_part(tmp_path):
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (3, 4, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned as well
    image = coarse.resize((2000, 1500), Image.Resampling.BICUBIC)
    (tmp_path / "p.jpg").write_bytes(saved(image, "JPEG", quality=95, exif=exif))
    small = [training_image(tmp_path / "p.jpg", 32, np.random.default_rng(s)) for s in range(8)]
    whole = [by_hand_from_all_pixels(tmp_path / "p.jpg", 32, s) for s in range(8)]
    for a, b in zip(small, whole, strict=True):
        assert np.abs(a.astype(int) - b).mean() < 2
    assert any((a != b).any() for a, b in zip(small, whole, strict=True))
