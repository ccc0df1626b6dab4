from dataclasses import replace

import numpy as np
import pytest

from minires.data import Dataset, digits
from minires.data import dataset as dataset_module
from minires.data.dataset import Epoch, training_batch
from minires.errors import DataError

PARTS = ("order", "down", "right", "flipped")


def made_up(n=40, size=6, shift=2, flip=True):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n, 3, size, size), dtype=np.uint8)
    labels = np.arange(n) % 10
    classes = tuple("0123456789")
    return Dataset("made up", images, labels, images[:7], labels[:7], classes, 255, shift, flip)


def by_hand(d, epoch, place):
    """One augmented image, pixel by pixel."""
    i = epoch.order[place]
    x = d.train_images[i].astype(np.float64) / d.white - d.train_images.mean(axis=0) / d.white
    H, W = x.shape[1:]
    y = np.zeros_like(x)
    for h in range(H):
        for w in range(W):
            up, left = h + epoch.down[place] - d.shift, w + epoch.right[place] - d.shift
            if 0 <= up < H and 0 <= left < W:
                y[:, h, w] = x[:, up, left]
    return y[:, :, ::-1] if epoch.flipped[place] else y


def test_augmentation_is_pad_crop_and_flip():
    d = made_up()
    epoch = Epoch.draw(d, seed=3, epoch=1)
    assert epoch.flipped.any()
    assert not epoch.flipped.all()
    assert {0, 4} <= set(epoch.down) <= set(range(5))
    x, labels = training_batch(d, epoch, slice(10, 30))
    assert x.dtype == np.float32
    assert labels.tolist() == d.train_labels[epoch.order[10:30]].tolist()
    for k in range(20):
        np.testing.assert_allclose(x[k], by_hand(d, epoch, 10 + k), atol=1e-6)


def test_what_is_not_standardised_is_0_to_255_as_in_a_file():
    d = replace(made_up(), standardised=False)
    np.testing.assert_array_equal(d.inputs(d.train_images), d.train_images)
    assert d.inputs(d.train_images).dtype == np.float32
    ink = replace(digits(), standardised=False)  # up to 16
    x = ink.inputs(ink.train_images)
    assert (x.min(), x.max()) == (0, 255)
    np.testing.assert_allclose(x / 255, digits().inputs(ink.train_images) + ink.mean, atol=1e-6)


def test_an_epoch_is_every_image_once_in_an_order_of_its_own():
    d = made_up()
    orders = [tuple(Epoch.draw(d, 0, epoch).order) for epoch in range(3)]
    assert all(sorted(order) == list(range(40)) for order in orders)
    assert len(set(orders)) == 3


def test_an_epoch_depends_on_seed_and_number_alone():
    d = made_up()
    a, b = Epoch.draw(d, 5, 2), Epoch.draw(d, 5, 2)
    assert all(
        (getattr(a, f) == getattr(b, f)).all() for f in ("order", "down", "right", "flipped")
    )
    assert (Epoch.draw(d, 6, 2).order != a.order).any()


def test_digits_are_never_mirrored():
    d = digits()
    assert not Epoch.draw(d, 0, 0).flipped.any()


def test_test_images_come_whole_and_in_order():
    d = made_up()
    batches = list(dataset_module.test_batches(d, 4))
    assert [len(x) for x, _ in batches] == [4, 3]
    x = np.concatenate([x for x, _ in batches])
    mean = d.train_images.mean(axis=0) / 255
    np.testing.assert_allclose(x, d.test_images / 255 - mean, atol=1e-6)


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


def test_labels_outside_the_classes_are_refused():
    d = made_up()
    with pytest.raises(DataError, match="training labels from 0 to 10; expected 0 to 9"):
        replace(d, train_labels=np.arange(40) % 11)


def test_images_without_labels_are_refused():
    d = made_up()
    with pytest.raises(DataError, match="7 labels"):
        replace(d, train_labels=d.train_labels[:7])
