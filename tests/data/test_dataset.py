from dataclasses import replace

import numpy as np
import pytest

from minires.data import Dataset, digits
from minires.errors import DataError


def made_up(n=40, size=6, shift=2, flip=True):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n, 3, size, size), dtype=np.uint8)
    labels = np.arange(n) % 10
    classes = tuple("0123456789")
    return Dataset("made up", images, labels, images[:7], labels[:7], classes, 255, shift, flip)


def by_hand(d, draws, place):
    """One augmented image, pixel by pixel."""
    i = draws.image[place]
    x = d.train_images[i].astype(np.float64) / d.white - d.train_images.mean(axis=0) / d.white
    H, W = x.shape[1:]
    y = np.zeros_like(x)
    for h in range(H):
        for w in range(W):
            up, left = h + draws.down[place] - d.shift, w + draws.right[place] - d.shift
            if 0 <= up < H and 0 <= left < W:
                y[:, h, w] = x[:, up, left]
    return y[:, :, ::-1] if draws.flipped[place] else y


def test_augmentation_is_pad_crop_and_flip():
    d = made_up()
    draws = d.draws(seed=3, epoch=1)
    assert draws.flipped.any()
    assert not draws.flipped.all()
    assert {0, 4} <= set(draws.down) <= set(range(5))
    x, labels = next(d.training_batches(20, seed=3, epoch=1, first=1))
    assert x.dtype == np.float32
    assert labels.tolist() == d.train_labels[draws.image[20:]].tolist()
    for k in range(20):
        np.testing.assert_allclose(x[k], by_hand(d, draws, 20 + k), atol=1e-6)


def test_what_is_not_standardised_is_0_to_255_as_in_a_file():
    d = replace(made_up(), standardised=False)
    np.testing.assert_array_equal(d.inputs(d.train_images), d.train_images)
    assert d.inputs(d.train_images).dtype == np.float32
    ink = replace(digits(), standardised=False)  # up to 16
    x = ink.inputs(ink.train_images)
    assert (x.min(), x.max()) == (0, 255)
    np.testing.assert_allclose(x / 255, digits().inputs(ink.train_images) + ink.mean, atol=1e-6)


def test_batches_are_an_epoch_each_time_and_have_a_length():
    d = made_up()
    train = d.batches(16, shuffle=True, seed=3)
    assert len(train) == 3
    for epoch in range(2):
        for got, expected in zip(train, d.training_batches(16, 3, epoch), strict=True):
            np.testing.assert_array_equal(got[0], expected[0])
            np.testing.assert_array_equal(got[1], expected[1])
    in_order = d.batches(16)
    for _ in range(2):
        images, labels = (np.concatenate(parts) for parts in zip(*in_order, strict=True))
        np.testing.assert_array_equal(images, d.inputs(d.train_images))
        np.testing.assert_array_equal(labels, d.train_labels)


def test_a_dataset_prints_in_one_line():
    assert repr(digits()) == (
        "Dataset(digits: 1,437 training and 360 test images of 1x8x8, 10 classes)"
    )


def test_an_epoch_is_every_image_once_in_an_order_of_its_own():
    d = made_up()
    orders = [tuple(d.draws(0, epoch).image) for epoch in range(3)]
    assert all(sorted(order) == list(range(40)) for order in orders)
    assert len(set(orders)) == 3


def test_an_epoch_depends_on_seed_and_number_alone():
    d = made_up()
    a, b = d.draws(5, 2), d.draws(5, 2)
    assert all((mine == again).all() for mine, again in zip(a, b, strict=True))
    assert (d.draws(6, 2).image != a.image).any()


def test_digits_are_never_mirrored():
    d = digits()
    assert not d.draws(0, 0).flipped.any()


def test_test_images_come_whole_and_in_order():
    d = digits()
    batches = list(d.testing_batches())
    assert [len(x) for x, _ in batches] == [256, 104]
    x = np.concatenate([x for x, _ in batches])
    mean = d.train_images.mean(axis=0) / 16
    np.testing.assert_allclose(x, d.test_images / 16 - mean, atol=1e-6)


def test_the_mean_of_the_training_inputs_is_zero():
    d = digits()
    assert abs(d.inputs(d.train_images).mean(axis=0)).max() < 1e-6


def test_validation_takes_training_images_only():
    d = digits()
    v = d.with_validation()
    assert len(v.train_images) + len(v.test_images) == len(d.train_images)
    assert (v.test_images == d.train_images[len(v.train_images) :]).all()
    assert v.digest != d.digest


@pytest.mark.parametrize("part", ["train_images", "train_labels", "test_images", "test_labels"])
def test_the_digest_sees_every_part(part):
    d = made_up()
    changed = getattr(d, part).copy()
    changed.flat[0] = (changed.flat[0] + 1) % 10
    assert replace(d, **{part: changed}).digest != d.digest


def test_labels_outside_the_classes_raise():
    d = made_up()
    with pytest.raises(DataError, match="training labels from 0 to 10; expected 0 to 9"):
        replace(d, train_labels=np.arange(40) % 11)


def test_images_without_labels_raise():
    d = made_up()
    with pytest.raises(DataError, match="7 labels"):
        replace(d, train_labels=d.train_labels[:7])


@pytest.mark.parametrize("ranks", [2, 3])
def test_the_shares_of_a_batch_are_the_batch(ranks):
    data = digits()
    own = [replace(data, share=(rank, ranks)) for rank in range(ranks)]
    assert {part.digest for part in own} == {data.digest}
    parts = [list(part.training_batches(64, 0, 1, first=20)) for part in own]
    for batch, *shares in zip(data.training_batches(64, 0, 1, first=20), *parts, strict=True):
        for whole, *pieces in zip(batch, *shares, strict=True):
            assert (np.concatenate(pieces) == whole).all()
            sizes = sorted(len(piece) for piece in pieces)
            assert sizes[-1] - sizes[0] <= 1
    tested = np.concatenate([labels for part in own for _, labels in part.testing_batches()])
    assert sorted(tested) == sorted(data.test_labels)


def test_a_rank_with_no_test_image_of_a_batch_tests_none():
    data = replace(digits(), share=(0, 3))
    few = replace(data, test_images=data.test_images[:1], test_labels=data.test_labels[:1])
    assert list(few.testing_batches()) == []


def test_grey_images_in_colour_are_the_same_three_times():
    grey = digits()
    colour = grey.in_colour()
    assert np.array_equal(colour.in_colour().train_images, colour.train_images)
    assert colour.channels == 3
    assert all(np.array_equal(colour.test_images[:, [k]], grey.test_images) for k in range(3))
    assert np.array_equal(
        colour.inputs(colour.test_images[:1])[0, 2], grey.inputs(grey.test_images[:1])[0, 0]
    )
