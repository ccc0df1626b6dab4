import numpy as np
import pytest

from minires import data
from minires.data import digits, load
from minires.errors import DataError, UsageError


def test_all_1797_images_are_there_once():
    d = load("digits")
    images = np.concatenate([d.train_images, d.test_images])
    assert images.shape == (1797, 1, 8, 8)
    assert images.dtype == np.uint8
    assert images.max() == 16
    assert len(np.unique(images.reshape(1797, -1), axis=0)) == 1797  # train and test are apart
    # the class counts of UCI's test part
    counts = np.bincount(np.concatenate([d.train_labels, d.test_labels]))
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_images_look_like_their_labels():
    # The mean image of a class is nearer to its own test images than other means are.
    d = load("digits")
    train, test = (x.reshape(len(x), -1).astype(float) for x in (d.train_images, d.test_images))
    means = np.stack([train[d.train_labels == k].mean(axis=0) for k in range(10)])
    distances = ((test[:, None] - means) ** 2).sum(axis=2)
    assert (distances.argmin(axis=1) == d.test_labels).mean() > 0.85


def test_an_altered_file_raises(monkeypatch):
    monkeypatch.setitem(digits.__globals__, "_SHA256", "0" * 64)
    with pytest.raises(DataError, match="altered"):
        digits()


def test_digits_takes_no_folder(tmp_path):
    with pytest.raises(UsageError, match="takes no data folder"):
        load("digits", data_dir=tmp_path)


def test_an_unknown_dataset_lists_those_that_are():
    with pytest.raises(UsageError, match=r"'mnist'.*digits, cifar10"):
        data.load("mnist")
