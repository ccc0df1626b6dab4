"""Batches of a folder's images."""

import numpy as np
import pytest
from image_files import BAD, class_folders

from minires.errors import DataError, UsageError
from minires.vision import FolderImages, image_folder
from minires.vision.transforms import evaluation_image, normalise, training_image


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return image_folder(class_folders(tmp_path_factory.mktemp("images"), n=8), 0.25)


def images(folder, **how):
    return FolderImages(folder, **{"size": 32, "workers": 0, **how})


def test_an_epoch_is_every_image_once_with_its_label(folder):
    p = images(folder)
    batches = list(p.training_batches(5, seed=1, epoch=2))
    assert [len(x) for x, _ in batches] == [5, 5, 5, 3]
    x, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    order = p.order(1, 2)
    assert sorted(order) == list(range(18))
    assert labels.tolist() == [folder.train.labels[i] for i in order]
    assert labels.dtype == np.int64
    assert x.dtype == np.float32
    for place, i in enumerate(order):
        chance = np.random.default_rng([1, 2, place + 1])
        expected = training_image(folder.root / folder.train.paths[i], 32, chance)
        np.testing.assert_array_equal(x[place], normalise(expected[None])[0])


def test_chance_depends_on_seed_epoch_and_place_alone(folder):
    p = images(folder)
    whole = list(p.training_batches(5, seed=1, epoch=2))
    rest = list(p.training_batches(5, seed=1, epoch=2, first=2))
    for (a, la), (b, lb) in zip(whole[2:], rest, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(la, lb)
    for other in ({"seed": 2, "epoch": 2}, {"seed": 1, "epoch": 3}):
        assert (next(p.training_batches(18, **other))[0] != whole[0][0][0]).any()


def test_validation_images_come_whole_in_order_and_the_same_each_time(folder):
    p = images(folder)
    (x, labels), *more = p.testing_batches()
    assert not more
    assert labels.tolist() == list(folder.val.labels)
    for k, path in enumerate(folder.val.paths):
        expected = normalise(evaluation_image(folder.root / path, 32)[None])[0]
        np.testing.assert_array_equal(x[k], expected)


def test_without_augmentation_training_images_are_as_in_evaluation(folder):
    p = images(folder, augment=False)
    x, _ = next(p.training_batches(18, seed=0, epoch=0))
    for k, i in enumerate(p.order(0, 0)):
        path = folder.root / folder.train.paths[i]
        np.testing.assert_array_equal(x[k], normalise(evaluation_image(path, 32)[None])[0])


def test_workers_change_nothing_and_waiting_is_counted(folder):
    with images(folder, workers=2) as p:
        got = list(p.training_batches(4, seed=0, epoch=0))
        assert p.waited > 0
    expected = list(images(folder).training_batches(4, seed=0, epoch=0))
    for (a, la), (b, lb) in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(la, lb)


def test_every_bad_file_is_found_and_named(tmp_path):
    class_folders(tmp_path)
    for name, (content, _) in BAD.items():
        (tmp_path / "red" / name).write_bytes(content)
    found = image_folder(tmp_path)
    with FolderImages(found, workers=1) as p:
        problems = p.problems()
    assert set(problems) == {f"red/{name}" for name in BAD}
    assert all(f"{path} cannot be read" in reason for path, reason in problems.items())
    rest = FolderImages(found.without(problems), workers=0)
    assert rest.problems() == {}


def test_an_image_that_goes_bad_later_is_a_sentence(tmp_path):
    p = images(image_folder(class_folders(tmp_path)))
    path = tmp_path / p.folder.val.paths[0]
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=f"{path.name} cannot be read"):
        list(p.testing_batches())


def test_sizes_too_small_for_a_net_raise(folder):
    with pytest.raises(UsageError, match="size must be at least 32, got 31"):
        images(folder, size=31)
