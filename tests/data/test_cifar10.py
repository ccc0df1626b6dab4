import gzip
import io
import tarfile
from importlib import import_module

import numpy as np
import pytest
from cifar_files import NAMES, write_cifar10

from minires.data import cifar10, load
from minires.data import cifar10 as cifar10_function
from minires.errors import DataError, UsageError

module = import_module("minires.data.cifar10")  # the package calls the function so


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


def test_a_truncated_file_raises_by_name(copies, files):
    whole = (files[0] / "data_batch_2.bin").read_bytes()
    replace(copies / "data_batch_2.bin", whole[:-1])
    with pytest.raises(DataError, match=r"data_batch_2.bin has 30,729,999 bytes"):
        cifar10(copies)


def test_an_impossible_label_raises(copies, files):
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


def test_an_archive_in_a_folder_is_named(tmp_path):
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(UsageError, match=r"missing; give the archive itself, .*\.tar\.gz"):
        cifar10(tmp_path)


@pytest.fixture
def archived(monkeypatch, tmp_path):
    """Makes an archive of files of 20 records; with other contents, or None, where they are given.

    Returns its path, and the digest of the images in it."""
    monkeypatch.setattr(module, "_RECORDS", 20)
    record = np.random.default_rng(0).integers(0, 10, (20, 3073), dtype=np.uint8).tobytes()

    def made(**others):
        archive = tmp_path / "c.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            for name in NAMES:
                content = others.get(name.removesuffix(".bin"), record)
                if content is not None:
                    member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
        return archive

    return made


def test_an_archive_is_read_as_it_is(archived, tmp_path):
    archive = archived()
    safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # from 3.11.4 on
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "unpacked", **safely)
    before = sorted(tmp_path.iterdir())
    assert load("cifar10", archive).digest == cifar10(tmp_path / "unpacked").digest
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("others", "error", "said"),
    [
        ({"data_batch_2": None}, UsageError, "does not hold .*: data_batch_2.bin missing"),
        ({"data_batch_2": b"x"}, DataError, r"gz/data_batch_2.bin has 1 bytes; expected 61,460"),
        ({"test_batch": bytes([10]) + bytes(61459)}, DataError, "holds the label 10; expected"),
    ],
)
def test_files_in_an_archive_are_checked_like_those_in_a_folder(archived, others, error, said):
    with pytest.raises(error, match=said):
        cifar10(archived(**others))


@pytest.mark.parametrize("damage", ["cut short", "a bit flipped", "something else", "empty"])
def test_a_damaged_archive_is_a_sentence(archived, damage):
    archive = archived()
    content = archive.read_bytes()
    half = len(content) // 2
    archive.write_bytes(
        {
            "cut short": content[:half],
            "a bit flipped": content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :],
            "something else": b"x" * 1000,
            "empty": b"",
        }[damage]
    )
    with pytest.raises(DataError, match=r"c\.tar\.gz"):
        cifar10(archive)


def test_nothing_in_an_archive_leads_out_of_it(archived, tmp_path):
    """A link with the name of a file is not followed, wherever it leads."""
    archive = archived(test_batch=None)
    (tmp_path / "test_batch.bin").write_bytes(bytes(20 * 3073))
    content = gzip.decompress(archive.read_bytes())
    with tarfile.open(archive, "w:gz") as tar, tarfile.open(fileobj=io.BytesIO(content)) as old:
        for member in old:
            tar.addfile(member, old.extractfile(member))
        link = tarfile.TarInfo("test_batch.bin")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "test_batch.bin")
        tar.addfile(link)
    with pytest.raises(UsageError, match=r"test_batch.bin missing"):
        cifar10(archive)


def test_a_file_that_cannot_be_read_is_a_sentence(copies, monkeypatch):
    def fail(*arguments, **how):
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


def test_a_download_is_checked_and_read_without_being_unpacked(monkeypatch, archived):
    asked = {}

    def retrieve(url, known_hash, **options):
        asked.update(url=url, known_hash=known_hash, **options)
        return str(archived())

    monkeypatch.setattr("pooch.retrieve", retrieve)
    assert load("cifar10", download=True).train_images.shape == (100, 3, 32, 32)
    assert "processor" not in asked
    assert asked["known_hash"].startswith("sha256:c4a38c50")
    assert asked["url"].endswith("cifar-10-binary.tar.gz")


def test_images_are_uint8_so_that_the_set_fits_in_memory(files):
    d = cifar10(files[0])
    assert d.train_images.dtype == np.uint8
