import numpy as np
import pytest
from cifar_files import NAMES, write_cifar10

from minires.data import cifar10, load
from minires.data import cifar10 as cifar10_function
from minires.errors import DataError, UsageError


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_cifar10(tmp_path_factory.mktemp("cifar"))


def test_pixels_and_labels_are_where_the_layout_says(files):
    folder, records = files
    d = cifar10(folder)
    assert d.train_images.shape == (50_000, 3, 32, 32)
    assert d.test_images.shape == (10_000, 3, 32, 32)
    record = records["data_batch_3.bin"][7]
    assert d.train_labels[20_007] == record[0]
    assert d.train_images[20_007, 2, 5, 9] == record[1 + 2 * 1024 + 5 * 32 + 9]  # blue, row 5
    assert d.test_labels.tolist() == records["test_batch.bin"][:, 0].tolist()
    assert d.classes[3] == "cat"


def test_the_parent_folder_will_do(files):
    folder, _ = files
    assert load("cifar10", folder.parent).digest == cifar10_function(folder).digest


@pytest.fixture
def copies(files, tmp_path):
    for name in NAMES:
        (tmp_path / name).symlink_to(files[0] / name)
    return tmp_path


def replace(path, content):
    path.unlink()
    path.write_bytes(content)


def test_a_truncated_file_is_refused_by_name(copies, files):
    whole = (files[0] / "data_batch_2.bin").read_bytes()
    replace(copies / "data_batch_2.bin", whole[:-1])
    with pytest.raises(DataError, match=r"data_batch_2.bin has 30,729,999 bytes"):
        cifar10(copies)


def test_an_impossible_label_is_refused(copies, files):
    block = files[1]["test_batch.bin"].copy()
    block[17, 0] = 10
    replace(copies / "test_batch.bin", block.tobytes())
    with pytest.raises(DataError, match=r"test_batch.bin holds the label 10; expected 0 to 9"):
        cifar10(copies)


def test_a_file_that_is_much_too_long_is_not_read(copies):
    (copies / "test_batch.bin").unlink()
    with open(copies / "test_batch.bin", "wb") as file:
        file.truncate(300 << 30)  # it takes no room on the disk
    with pytest.raises(DataError, match=r"test_batch.bin has 322,122,547,200 bytes; expected 30,7"):
        cifar10(copies)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid x\n",
            "it is a Git LFS pointer, .* pull",
        ),
        (b"<!doctype html><html>", r"it is a web page \(HTML\)"),
        (b"", "it was cut short or altered"),
    ],
)
def test_a_file_that_is_something_else_is_named_for_what_it_is(copies, content, said):
    replace(copies / "data_batch_1.bin", content)
    with pytest.raises(DataError, match=rf"data_batch_1.bin has \d+ bytes; expected .*: {said}"):
        cifar10(copies)


@pytest.mark.parametrize("inside", ["", "cifar-10-batches-py"])
def test_the_python_version_is_named(tmp_path, inside):
    (tmp_path / inside).mkdir(exist_ok=True)
    (tmp_path / inside / "data_batch_1").write_bytes(b"\x80\x02}.")
    said = "it holds the python version, .* the binary version is read, which is at https"
    with pytest.raises(UsageError, match=said):
        cifar10(tmp_path)


def test_an_archive_is_to_be_unpacked(tmp_path):
    archive = tmp_path / "cifar-10-binary.tar.gz"
    archive.write_bytes(b"\x1f\x8b")
    with pytest.raises(UsageError, match=r"missing; unpack .*cifar-10-binary\.tar\.gz"):
        cifar10(tmp_path)
    with pytest.raises(UsageError, match=r"tar\.gz is a file; expected the folder that"):
        cifar10(archive)


def test_a_file_that_cannot_be_read_is_a_sentence(copies, monkeypatch):
    def fail(*arguments):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("builtins.open", fail)
    with pytest.raises(DataError, match=r"data_batch_1.bin cannot be read: Input/output error"):
        cifar10(copies)


def test_missing_files_are_listed(copies):
    (copies / "data_batch_4.bin").unlink()
    with pytest.raises(UsageError, match=r"data_batch_4.bin missing"):
        cifar10(copies)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"there is no data folder .*nowhere"):
        load("cifar10", tmp_path / "nowhere")


def test_without_a_folder_it_says_what_to_do():
    with pytest.raises(UsageError, match=r"--data-dir.*--download"):
        load("cifar10")


def test_a_download_without_network_is_a_sentence(monkeypatch, tmp_path):
    def refuse(*args, **options):
        raise OSError("no route to host")

    monkeypatch.setattr("pooch.retrieve", refuse)
    with pytest.raises(DataError, match=r"cannot be downloaded from https.*no route to host"):
        load("cifar10", download=True)


def test_a_download_is_checked_and_unpacked(monkeypatch, files):
    asked = {}

    def retrieve(url, known_hash, **options):
        asked.update(url=url, known_hash=known_hash)
        return [str(files[0] / name) for name in NAMES]

    monkeypatch.setattr("pooch.retrieve", retrieve)
    assert load("cifar10", download=True).train_images.shape == (50_000, 3, 32, 32)
    assert asked["known_hash"].startswith("sha256:c4a38c50")
    assert asked["url"].endswith("cifar-10-binary.tar.gz")


def test_images_are_uint8_so_that_the_set_fits_in_memory(files):
    d = cifar10(files[0])
    assert d.train_images.dtype == np.uint8
