"""Folders of classes: what is found, in which order, and how it is split."""

import os
from collections import Counter

import pytest

from minires.errors import DataError, UsageError
from minires.vision.folders import image_folder
from minires.vision.listing import files_in


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


def many(root, **counts):
    return touch(root, *(f"{name}/{i:03}.jpg" for name, n in counts.items() for i in range(n)))


def test_train_and_val_are_taken_as_they_are(tmp_path):
    touch(tmp_path, "train/cat/1.jpg", "train/cat/2.jpg", "train/dog/1.jpg", "val/dog/9.jpg")
    folder = image_folder(tmp_path)
    assert folder.classes == ("cat", "dog")
    assert folder.train.paths == ("train/cat/1.jpg", "train/cat/2.jpg", "train/dog/1.jpg")
    assert folder.train.labels == (0, 0, 1)
    assert folder.val.paths == ("val/dog/9.jpg",)
    assert folder.val.labels == (1,)


@pytest.mark.parametrize(
    ("train", "val", "others"),
    [
        ("train", "valid", ["test"]),
        ("Train", "Val", []),
        ("training_set", "dev-images", ["testset"]),
        ("training", "VALIDATION", ["Testing"]),
        ("train", "val", ["notes"]),
        ("train2017", "val2017", ["test2017"]),
        ("ILSVRC2012_img_train", "ILSVRC2012_img_val", []),
        ("pets-train", "pets-validate", ["pets-test"]),
        ("训练集", "验证集", ["测试集"]),
    ],
)
def test_the_parts_may_be_called_otherwise(train, val, others, tmp_path):
    for part in (train, val, *others):
        touch(tmp_path, f"{part}/cat/1.jpg", f"{part}/dog/1.jpg")
    folder = image_folder(tmp_path)
    assert folder.classes == ("cat", "dog")
    assert folder.train.paths == (f"{train}/cat/1.jpg", f"{train}/dog/1.jpg")
    assert folder.val.paths == (f"{val}/cat/1.jpg", f"{val}/dog/1.jpg")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (["train", "test"], r"train and test, but none called val; .* a share .* give .*train"),
        (["valid", "test"], "valid and test, but none called train"),
        (["seg_train", "seg_test"], "seg_test and seg_train|seg_train and seg_test"),
        (["train", "val", "valid"], "train and val and valid; expected one for training and one"),
        (["train", "Train"], "Train and train; expected one for training and one"),
        (["train_1", "train_2"], "train_1 and train_2; expected one for training and one"),
        (["images", "labels"], "images and labels, which are no classes; expected a folder for"),
        (["train", "labels"], "labels and train, which are no classes"),
        (["img", "Masks"], "Masks and img, which are no classes"),
        (["Annotations", "ImageSets", "JPEGImages"], "which are no classes"),
        (["train", "unlabeled"], "which are no classes"),
    ],
)
def test_parts_are_never_taken_for_classes(parts, said, tmp_path):
    for part in parts:
        touch(tmp_path, f"{part}/cat/1.jpg", f"{part}/dog/1.jpg")
    with pytest.raises(DataError, match=said):
        image_folder(tmp_path)


@pytest.mark.parametrize(
    "names",
    [
        ["bus", "train"],
        ["bottles", "labels"],
        ["freight_train", "passenger_train"],
        ["mask", "no_mask"],
        ["0", "1"],
        ["masks", "boxes"],
    ],
)
def test_classes_are_not_taken_for_parts(names, tmp_path):
    assert image_folder(many(tmp_path, **dict.fromkeys(names, 2))).classes == tuple(sorted(names))


def test_images_with_labels_beside_them_are_no_classes_in_a_part_either(tmp_path):
    many(tmp_path, **{f"{p}/{name}": 2 for p in ("train", "val") for name in ("images", "labels")})
    with pytest.raises(DataError, match="train has the folders images and labels"):
        image_folder(tmp_path)


def test_a_class_whose_link_leads_nowhere_is_not_passed_over(tmp_path):
    many(tmp_path, cat=2, dog=2)
    (tmp_path / "eel").symlink_to(tmp_path / "unplugged")
    with pytest.raises(DataError, match=r"eel is a link to .*unplugged, which is not there"):
        image_folder(tmp_path)


def test_one_folder_is_split_class_by_class(tmp_path):
    folder = image_folder(many(tmp_path, cat=10, dog=20, eel=1), val_split=0.3)
    assert Counter(folder.val.labels) == {0: 3, 1: 6}
    assert Counter(folder.train.labels) == {0: 7, 1: 14, 2: 1}
    assert sorted(tmp_path / path for path in folder.paths) == sorted(files_in(tmp_path))
    assert len(image_folder(tmp_path).val) == 2 + 4  # a fifth, unless told otherwise


def test_every_class_with_two_images_is_validated_on(tmp_path):
    folder = image_folder(many(tmp_path, cat=2, dog=2), val_split=0.01)
    assert Counter(folder.val.labels) == {0: 1, 1: 1}


def test_the_seed_decides_the_split(tmp_path):
    many(tmp_path, cat=20, dog=20)
    a, b, c = image_folder(tmp_path, 0.5, 1), image_folder(tmp_path, 0.5, 1), image_folder(tmp_path)
    assert a == b != c


def test_a_class_may_be_called_train(tmp_path):
    assert image_folder(many(tmp_path, train=5, car=5)).classes == ("car", "train")
    assert len(image_folder(many(tmp_path / "x", train_station=5, test_tube=5)).classes) == 2


def test_names_are_sorted_whatever_is_in_them(tmp_path):
    names = ("Zebra", "a dog", "猫", "été", "e'\"<b>")
    assert image_folder(many(tmp_path, **dict.fromkeys(names, 2))).classes == tuple(sorted(names))


def test_a_name_that_is_no_text_is_kept(tmp_path):
    many(tmp_path, cat=2, dog=2)
    strange = os.fsdecode(b"\xff\xfe.jpg")
    (tmp_path / "cat" / strange).write_bytes(b"x")
    folder = image_folder(tmp_path)
    assert f"cat/{strange}" in folder.paths
    assert len(folder.digest) == 64


def test_images_in_folders_below_belong_to_the_class_and_hidden_files_do_not(tmp_path):
    touch(tmp_path, "a/x/1.jpg", "a/2.jpg", "a/.3.jpg", "a/.x/4.jpg", "a/Thumbs.db", "b/1.jpg")
    touch(tmp_path, "b/2.jpg", ".hidden/1.jpg", "readme.txt")
    folder = image_folder(tmp_path)
    assert folder.classes == ("a", "b")
    assert sorted(folder.paths) == ["a/2.jpg", "a/x/1.jpg", "b/1.jpg", "b/2.jpg"]


def test_links_to_folders_are_followed_and_each_folder_is_entered_once(tmp_path):
    data = touch(tmp_path / "data", "a/own/1.jpg", "b/1.jpg", "b/2.jpg")
    touch(tmp_path, "elsewhere/x/2.jpg", "elsewhere/3.jpg", "c/4.jpg", "c/5.jpg")
    (data / "c").symlink_to(tmp_path / "c")  # a class
    (data / "a" / "far").symlink_to(tmp_path / "elsewhere")
    (data / "a" / "again").symlink_to(data / "a" / "own")
    (data / "a" / "all").symlink_to(data)  # b's images are not a's
    (data / "a" / "round").symlink_to(data / "a" / "round")  # leads nowhere
    (tmp_path / "elsewhere" / "back").symlink_to(data / "a")
    files = [path.relative_to(data).as_posix() for path in files_in(data / "a")]
    assert files == ["a/far/3.jpg", "a/far/x/2.jpg", "a/own/1.jpg", "a/round"]
    assert image_folder(data).classes == ("a", "b", "c")


def test_links_that_double_at_every_step_end(tmp_path):
    for i in range(30):  # by 2**30 paths to the last one
        (tmp_path / "a" / f"{i}").mkdir(parents=True)
        for name in ("x", "y"):
            (tmp_path / "a" / f"{i}" / name).symlink_to(tmp_path / "a" / f"{i + 1}")
    touch(tmp_path, "a/30/1.jpg")
    assert [path.name for path in files_in(tmp_path / "a")] == ["1.jpg"]


@pytest.mark.parametrize("linked", [False, True])
def test_a_file_that_is_gone_is_a_sentence(linked, tmp_path):
    folder = image_folder(many(tmp_path, cat=4, dog=4))
    gone = tmp_path / folder.train.paths[0]
    gone.unlink()
    if linked:
        gone.symlink_to("nothing")
    with pytest.raises(DataError, match=f"{gone.name} cannot be read: No such file"):
        folder.digest  # noqa: B018


def test_a_path_that_cannot_be_one_is_a_sentence(tmp_path):
    with pytest.raises(UsageError, match="there is no folder"):
        image_folder(tmp_path / ("x" * 300))


def test_without_some_files(tmp_path):
    folder = image_folder(many(tmp_path, cat=4, dog=4))
    lost = folder.train.paths[0]
    rest = folder.without({lost})
    assert lost not in rest.paths
    assert len(rest.paths) == 7
    assert rest.classes == folder.classes
    with pytest.raises(DataError, match=r"class 'cat' in .* has no image to train on"):
        folder.without([path for path in folder.paths if path.startswith("cat")])
    with pytest.raises(DataError, match="has no image to validate on"):
        folder.without(folder.val.paths)


def test_the_digest_sees_names_labels_sizes_and_parts(tmp_path):
    folder = image_folder(many(tmp_path, cat=4, dog=4))
    digests = {folder.digest, folder.without(folder.train.paths[:1]).digest}
    (tmp_path / folder.train.paths[0]).write_bytes(b"longer than before")
    digests.add(folder.digest)
    digests.add(image_folder(tmp_path, 0.5).digest)
    assert len(digests) == 4
    assert image_folder(tmp_path).digest == folder.digest


def missing_val(root):
    return touch(root, "train/cat/1.jpg", "train/dog/1.jpg")


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda r: r / "nowhere", UsageError, "there is no folder .*nowhere"),
        (lambda r: r, DataError, r"has 0 class folders \(none\)"),
        (lambda r: many(r, cat=3), DataError, r"has 1 class folders \(cat\); .* at least two"),
        (missing_val, DataError, r"has 1 class folders \(train\)"),
        (
            lambda r: (many(r, cat=3, dog=3), (r / "eel").mkdir(), r)[2],
            DataError,
            "class 'eel' in .* has no image to train on",
        ),
        (
            lambda r: touch(r, "train/a/1.jpg", "train/b/1.jpg", "val/c/1.jpg"),
            DataError,
            "val has a class 'c' that .*train has not; it has a, b",
        ),
        (
            lambda r: (touch(r, "train/a/1.jpg", "train/b/1.jpg"), (r / "val").mkdir(), r)[2],
            DataError,
            "has no image to validate on",
        ),
        (lambda r: many(r, cat=1, dog=1), DataError, "has no image to validate on"),
    ],
)
def test_what_cannot_be_learnt_from_raises(tmp_path, make, error, said):
    with pytest.raises(error, match=said):
        image_folder(make(tmp_path))


@pytest.mark.parametrize("split", [0, 1, -0.5, float("nan")])
def test_a_split_that_cannot_be_meant_raises(tmp_path, split):
    with pytest.raises(UsageError, match="val_split must be between 0 and 1, got"):
        image_folder(many(tmp_path, cat=3, dog=3), split)


def test_a_split_for_a_folder_that_has_one_raises(tmp_path):
    touch(tmp_path, "train/cat/1.jpg", "train/dog/1.jpg", "val/dog/9.jpg")
    with pytest.raises(UsageError, match="has a val/ folder of its own"):
        image_folder(tmp_path, 0.2)
