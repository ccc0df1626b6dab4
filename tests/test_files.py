import os

import pytest

from minires import files
from minires.files import table, write_atomically


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


def test_a_table_has_its_columns_first_and_quotes_what_has_commas():
    rows = [{"a": 1, "b": "x, y"}, {"a": "He × 3", "b": True}]
    assert table(["a", "b"], rows).decode() == 'a,b\n1,"x, y"\nHe × 3,True\n'
