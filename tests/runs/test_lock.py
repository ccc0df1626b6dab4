"""One process a run folder: a second one raises, and a killed one leaves no lock behind."""

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from minires.errors import RunError, UsageError
from minires.runs import RunFolder, lock
from minires.runs.lock import locked

HOLDER = """
import sys, time
from pathlib import Path
from minires.runs.lock import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that has the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"locked\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_raises_with_the_id_of_the_first(tmp_path, holder):
    said = rf"another process \({holder.pid}\) is at work in {tmp_path}; wait for it"
    with pytest.raises(RunError, match=said), RunFolder(tmp_path).locked():
        pass
    assert (tmp_path / ".lock").read_text() == str(holder.pid)


def test_what_the_lock_holds_cannot_control_a_terminal(tmp_path, holder):
    (tmp_path / ".lock").write_bytes(b"\x1b[2J\x07")
    with pytest.raises(RunError) as raised, locked(tmp_path):
        pass
    assert "another process (not named) is at work" in str(raised.value)
    assert "\x1b" not in str(raised.value)


def test_a_killed_process_releases_the_lock(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with locked(tmp_path):
        assert (tmp_path / ".lock").read_text() == str(os.getpid())


def test_a_released_lock_leaves_no_file(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path):
        pass


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_again(tmp_path, monkeypatch):
    """Between opening the file and locking it, its last holder removed it."""
    lock_file, tries = lock._lock, []

    def removed_at_first(handle):
        if stat.S_ISREG(os.fstat(handle).st_mode):
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


def test_removing_the_file_lets_no_process_in(tmp_path, holder):
    for _ in range(2):
        (tmp_path / ".lock").unlink(missing_ok=True)
        with pytest.raises(RunError, match=r"another process \(not named\)"), locked(tmp_path):
            pass
    assert list(tmp_path.iterdir()) == []


def test_where_folders_cannot_be_locked_the_file_is(tmp_path, monkeypatch):
    lock_file = lock._lock

    def as_on_nfs(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EBADF, "not open for writing")
        lock_file(handle)

    monkeypatch.setattr(lock, "_lock", as_on_nfs)
    with locked(tmp_path):
        said = rf"another process \({os.getpid()}\)"
        with pytest.raises(RunError, match=said), locked(tmp_path):
            pass
        (tmp_path / ".lock").unlink()
        with locked(tmp_path):
            first = (tmp_path / ".lock").stat()
            # The one inside has a file of its own, which only it removes.
            assert os.path.samestat(first, (tmp_path / ".lock").stat())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("make", [Path.symlink_to, Path.hardlink_to], ids=["soft", "hard"])
def test_a_link_is_an_error_and_what_it_leads_to_is_unchanged(tmp_path, make):
    run = tmp_path / "run"
    run.mkdir()
    (tmp_path / "mine").write_text("mine")
    make(run / ".lock", tmp_path / "mine")
    with (
        pytest.raises(RunError, match=r"run cannot be written: \.lock is (a link|another file)"),
        RunFolder(run).locked(),
    ):
        pass
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_link_made_in_the_last_moment_is_not_followed(tmp_path, monkeypatch):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / ".lock").symlink_to(tmp_path / "mine")
    monkeypatch.setattr(Path, "is_symlink", lambda path: False)
    with pytest.raises(OSError, match="symbolic links"), locked(tmp_path):
        pass
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_fifo_is_an_error_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / ".lock")
    with (
        pytest.raises(RunError, match=r"cannot be written: \.lock is another file or device"),
        RunFolder(tmp_path).locked(),
    ):
        pass


def test_an_error_while_it_is_closed_ends_no_run(tmp_path, monkeypatch):
    close = os.close

    def fails(handle):
        close(handle)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with locked(tmp_path):
        monkeypatch.setattr(lock.os, "close", fails)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"\x1b[2J", b"\xff" * 9, b"1\n2", b"-1"])
def test_what_is_no_process_in_the_file_is_not_repeated(tmp_path, content):
    with locked(tmp_path):
        (tmp_path / ".lock").write_bytes(content)
        with pytest.raises(RunError, match=r"another process \(not named\) is"), locked(tmp_path):
            pass


def test_only_one_process_can_make_a_run(tmp_path, holder):
    with pytest.raises(RunError, match=rf"another process \({holder.pid}\)"):
        RunFolder.create(tmp_path, {})
    assert not (tmp_path / "config.json").exists()


def test_a_run_that_another_process_made_meanwhile_is_not_touched(tmp_path, monkeypatch):
    """After this one had seen an empty folder, and before it had the lock."""
    lock_file = lock._lock

    def quicker(handle):
        (tmp_path / "config.json").write_text("theirs")
        lock_file(handle)

    monkeypatch.setattr(lock, "_lock", quicker)
    with pytest.raises(UsageError, match="is not empty"):
        RunFolder.create(tmp_path, {})
    assert (tmp_path / "config.json").read_text() == "theirs"


def test_partly_written_files_of_killed_processes_are_removed(tmp_path):
    (tmp_path / "weights").mkdir()
    left = [tmp_path / ".history.csv.x.partial", tmp_path / "weights" / ".a.safetensors.y.partial"]
    others = [tmp_path / "mine.partial", tmp_path / ".mine"]
    for path in (*left, *others):
        path.write_text("")
    with RunFolder(tmp_path).locked():
        assert not any(map(os.path.exists, left))
        assert all(map(os.path.exists, others))
