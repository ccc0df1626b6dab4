"""One process a run folder: who is second is told so, and who is killed holds nobody up."""

import os
import signal
import subprocess
import sys

import pytest

from minires.errors import RunError, UsageError
from minires.runs import RunFolder, lock
from minires.runs.lock import locked

HOLDER = """
import sys, time
from pathlib import Path
from minires.runs.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that has the folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def test_the_second_is_refused_and_told_who_is_first(tmp_path, holder):
    said = rf"another process \({holder.pid}\) is at work in {tmp_path}; wait for it"
    with pytest.raises(RunError, match=said), RunFolder(tmp_path).locked():
        pass
    assert (tmp_path / ".lock").read_text() == str(holder.pid)


def test_a_killed_process_holds_nobody_up(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with locked(tmp_path):
        assert (tmp_path / ".lock").read_text() == str(os.getpid())


def test_nothing_is_left_of_a_lock_that_was_let_go(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path):
        pass


def test_a_lock_whose_file_was_removed_meanwhile_is_asked_for_again(tmp_path, monkeypatch):
    """Between opening the file and locking it, its last holder removed it."""
    lock_file, tries = lock._lock, []

    def removed_at_first(handle):
        tries.append(handle)
        if len(tries) == 1:
            (tmp_path / ".lock").unlink()
        lock_file(handle)

    monkeypatch.setattr(lock, "_lock", removed_at_first)
    with locked(tmp_path):
        monkeypatch.setattr(lock, "_lock", lock_file)
        with pytest.raises(RunError, match="another process"), locked(tmp_path):
            pass
    assert len(tries) == 2


def test_a_run_is_made_by_one_process_alone(tmp_path, holder):
    with pytest.raises(RunError, match=rf"another process \({holder.pid}\)"):
        RunFolder.create(tmp_path, {})
    assert not (tmp_path / "config.json").exists()


def test_a_run_that_another_process_made_meanwhile_is_not_touched(tmp_path, monkeypatch):
    """After this one had seen that there is nothing, and before it had the folder."""
    lock_file = lock._lock

    def quicker(handle):
        (tmp_path / "config.json").write_text("theirs")
        lock_file(handle)

    monkeypatch.setattr(lock, "_lock", quicker)
    with pytest.raises(UsageError, match="is not empty"):
        RunFolder.create(tmp_path, {})
    assert (tmp_path / "config.json").read_text() == "theirs"


def test_what_killed_processes_left_half_written_is_removed(tmp_path):
    (tmp_path / "weights").mkdir()
    left = [tmp_path / ".history.csv.x.partial", tmp_path / "weights" / ".a.safetensors.y.partial"]
    kept = [tmp_path / "mine.partial", tmp_path / ".mine"]
    for path in (*left, *kept):
        path.write_text("")
    with RunFolder(tmp_path).locked():
        assert not any(map(os.path.exists, left))
        assert all(map(os.path.exists, kept))
