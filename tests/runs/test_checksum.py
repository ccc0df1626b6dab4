"""Any damage to a file is found by its checksum, and the previous file is used."""

import hashlib
import os
import shutil
import subprocess

import pytest

from minires import files
from minires.errors import DamageWarning, RunError
from minires.runs.history import undamaged, write_with_checksum

DAMAGES = {
    "cut short": lambda b: b[: len(b) // 2],
    "empty": lambda b: b"",
    "zeroed": lambda b: bytes(len(b)),
    "a bit flipped": lambda b: bytes([b[0] ^ 1]) + b[1:],
    "longer": lambda b: b + b"\n",
}


@pytest.fixture
def path(tmp_path):
    """A file that was written twice."""
    path = tmp_path / "run" / "a.csv"
    path.parent.mkdir()
    write_with_checksum(path, b"first")
    write_with_checksum(path, b"second")
    return path


def test_the_previous_file_stays_beside_it_with_its_checksum(path):
    assert undamaged(path).read_bytes() == b"second"
    assert (path.parent / "a.previous.csv").read_bytes() == b"first"
    digests = [hashlib.sha256(content).hexdigest() for content in (b"second", b"first")]
    beside = (path.parent / "a.csv.sha256").read_text()
    assert beside == f"{digests[0]}  a.csv\n{digests[1]}  a.previous.csv\n"


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="there is no sha256sum")
def test_sha256sum_reads_the_checksums(path):
    command = ["sha256sum", "--check", "--strict", "a.csv.sha256"]
    assert subprocess.run(command, cwd=path.parent, capture_output=True).returncode == 0
    path.write_bytes(b"third")
    assert subprocess.run(command, cwd=path.parent, capture_output=True).returncode == 1


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_is_found_and_the_previous_file_used(path, damage):
    path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(DamageWarning, match=r"a\.csv is damaged; a\.previous\.csv is used instead"):
        assert undamaged(path).read_bytes() == b"first"


def test_a_file_killed_between_the_two_renames_is_found_under_its_other_name(path):
    os.replace(path, path.parent / "a.previous.csv")
    with pytest.warns(DamageWarning):
        assert undamaged(path).read_bytes() == b"second"


def test_two_damaged_files_raise_with_their_names(path):
    path.write_bytes(b"x")
    (path.parent / "a.previous.csv").unlink()
    with pytest.raises(RunError, match=r"a\.csv is damaged: .*a\.csv\.sha256, .*a\.previous\.csv"):
        undamaged(path)


@pytest.mark.parametrize("content", [b"", b"\xff" * 80, b"\0" * 160])
def test_damaged_checksums_fit_no_file(path, content):
    (path.parent / "a.csv.sha256").write_bytes(content)
    with pytest.raises(RunError, match="is damaged"):
        undamaged(path)


def test_a_file_without_checksums_is_not_checked(path):
    (path.parent / "a.csv.sha256").unlink()
    path.write_bytes(b"mine")
    assert undamaged(path).read_bytes() == b"mine"


def test_a_damaged_file_never_becomes_the_previous_one(path):
    path.write_bytes(b"damaged")
    with pytest.warns(DamageWarning, match=r"a\.csv is damaged; it is written anew"):
        write_with_checksum(path, b"third")
    assert undamaged(path).read_bytes() == b"third"
    assert (path.parent / "a.previous.csv").read_bytes() == b"first"


def test_the_same_content_again_changes_nothing(path):
    before = path.stat().st_mtime_ns
    write_with_checksum(path, b"second")
    assert path.stat().st_mtime_ns == before
    assert (path.parent / "a.previous.csv").read_bytes() == b"first"


def test_a_kill_at_any_rename_leaves_an_undamaged_file(path, tmp_path, monkeypatch):
    """The checksums, the previous file and the file are renamed in this order."""
    replace, seen = os.replace, []

    def killed_before(source, target):
        seen.append(shutil.copytree(path.parent, tmp_path / f"seen {len(seen)}"))
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", killed_before)
    write_with_checksum(path, b"third")
    assert len(seen) == 3
    for folder in seen[:2]:
        assert undamaged(folder / "a.csv").read_bytes() == b"second"
    with pytest.warns(DamageWarning):  # the file itself is not there for a moment
        assert undamaged(seen[2] / "a.csv").read_bytes() == b"second"


def test_a_full_disk_leaves_both_as_they_were(path, monkeypatch):
    def full(handle):
        raise OSError("no space")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_with_checksum(path, b"third")
    assert undamaged(path).read_bytes() == b"second"
    assert (path.parent / "a.previous.csv").read_bytes() == b"first"
