import errno
import json
import os

import pytest

from minires import files
from minires.errors import RunError, UsageError
from minires.train import RunFolder


def test_a_new_run_writes_its_configuration(tmp_path):
    RunFolder.create(tmp_path / "a" / "run", {"epochs": 3})
    _, config = RunFolder.open(tmp_path / "a" / "run")
    assert config == {"epochs": 3}


def test_a_folder_that_holds_something_is_not_touched(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"not empty; add --resume"):
        RunFolder.create(tmp_path, {})
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_file_in_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        RunFolder.create(tmp_path / "run", {})
    assert (tmp_path / "run").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file/run cannot be written: Not a directory"):
        RunFolder.create(tmp_path / "file" / "run", {})


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(UsageError, match="there is no run in"):
        RunFolder.open(tmp_path)


def test_a_folder_killed_before_its_first_file_can_be_used(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".config.json.x.partial").write_text("")
    RunFolder.create(tmp_path / "run", {})


def test_a_name_too_long_is_a_sentence(tmp_path):
    with pytest.raises(RunError, match="cannot be read: File name too long"):
        RunFolder.create(tmp_path / ("x" * 300), {})
    with pytest.raises(RunError, match="File name too long"):
        RunFolder.open(tmp_path / ("x" * 300))


@pytest.mark.parametrize("content", ["", "{", "[]", "5", '{"epochs": 3}', "[" * 100_000])
def test_an_altered_configuration_is_refused(tmp_path, content):
    RunFolder.create(tmp_path / "run", {})
    (tmp_path / "run" / "config.json").write_text(content)
    with pytest.raises(RunError, match=r"config\.json is not a run's configuration"):
        RunFolder.open(tmp_path / "run")


def test_another_format_is_refused_by_name(tmp_path):
    RunFolder.create(tmp_path / "run", {})
    (tmp_path / "run" / "config.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(RunError, match="format 99; this minires reads format 1"):
        RunFolder.open(tmp_path / "run")


def test_a_full_disk_is_a_sentence_and_what_was_there_stays(tmp_path, monkeypatch):
    folder = RunFolder.create(tmp_path / "run", {})
    folder.write("summary.md", b"good")

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(RunError, match=r"summary\.md cannot be written: No space left on device"):
        folder.write("summary.md", b"bad")
    assert (tmp_path / "run" / "summary.md").read_text() == "good"
    assert not list((tmp_path / "run").glob(".*partial"))
