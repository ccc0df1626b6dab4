import os

import pytest

from minires import files
from minires.files import previous, remove_partial, write_atomically


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "f"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["f"]


def test_until_the_rename_the_old_file_is_there(tmp_path, monkeypatch):
    path = tmp_path / "f"
    write_atomically(path, b"old")
    replace = os.replace
    seen = []

    def look_first(source, target):
        seen.append(path.read_bytes())
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", look_first)
    write_atomically(path, b"new")
    assert seen == [b"old"]


def test_the_content_is_on_the_disk_before_the_rename(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(files.os, "fsync", lambda h: (calls.append("fsync"), fsync(h)))
    monkeypatch.setattr(files.os, "replace", lambda a, b: (calls.append("replace"), replace(a, b)))
    write_atomically(tmp_path / "f", b"x")
    assert calls[:2] == ["fsync", "replace"]


def test_a_failure_leaves_no_trace(tmp_path, monkeypatch):
    def fail(*paths):
        raise OSError("no")

    write_atomically(tmp_path / "f", b"old")
    monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(OSError, match="no"):
        write_atomically(tmp_path / "f", b"new")
    assert os.listdir(tmp_path) == ["f"]
    assert (tmp_path / "f").read_bytes() == b"old"


def test_the_file_can_be_read_by_those_the_umask_allows(tmp_path):
    write_atomically(tmp_path / "f", b"x")
    (tmp_path / "g").write_bytes(b"x")
    assert (tmp_path / "f").stat().st_mode == (tmp_path / "g").stat().st_mode


def test_the_previous_file_is_kept_if_asked_for(tmp_path):
    path = tmp_path / "a.csv"
    for content in (b"one", b"two", b"three"):
        write_atomically(path, content, keep_previous=True)
    assert path.read_bytes() == b"three"
    assert previous(path) == tmp_path / "a.previous.csv"
    assert previous(path).read_bytes() == b"two"


def test_partly_written_files_are_removed_and_no_others(tmp_path):
    for name in (".a.csv.x.partial", "mine.partial", ".mine"):
        (tmp_path / name).write_text("")
    remove_partial(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [".mine", "mine.partial"]
