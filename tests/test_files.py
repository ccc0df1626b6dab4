import errno
import os
import stat

import pytest

from minires import files
from minires.files import (
    make_folder,
    previous,
    read_file,
    remove_partial,
    write_atomically,
)


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


# --- what is at the path already ------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o444])
def test_a_file_that_is_replaced_hands_its_permissions_on(tmp_path, mode):
    path = tmp_path / "f"
    path.write_bytes(b"old")
    path.chmod(mode)
    for keep_previous in (False, True):
        write_atomically(path, b"new", keep_previous)
        assert path.stat().st_mode & 0o777 == mode


def test_a_partly_written_file_is_never_open_to_more_users(tmp_path, monkeypatch):
    path = tmp_path / "f"
    path.write_bytes(b"old")
    path.chmod(0o600)
    fsync, modes = os.fsync, []

    def look_first(handle):
        modes.append(os.fstat(handle).st_mode & 0o777)
        fsync(handle)

    monkeypatch.setattr(files.os, "fsync", look_first)
    write_atomically(path, b"new")
    assert modes[0] == 0o600


def test_a_link_is_followed_and_stays(tmp_path):
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "f", tmp_path / "link"
    link.symlink_to(target)
    for content in (b"one", b"two"):  # at first the link leads nowhere
        write_atomically(link, content)
        assert link.is_symlink()
        assert target.read_bytes() == content
    assert os.listdir(tmp_path / "there") == ["f"]


def test_a_link_to_itself_is_an_error(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OSError, match="symbolic links"):
        write_atomically(tmp_path / "loop", b"x")
    assert (tmp_path / "loop").is_symlink()


def test_what_is_no_regular_file_is_not_replaced(tmp_path):
    fifo, link, folder = tmp_path / "fifo", tmp_path / "link", tmp_path / "folder"
    os.mkfifo(fifo)
    link.symlink_to(fifo)
    for path in (fifo, link):
        with pytest.raises(OSError, match="not a regular file"):
            write_atomically(path, b"x")
    for path in (fifo, link, "/dev/null"):
        with pytest.raises(OSError, match="not a regular file"):
            read_file(path)
    folder.mkdir()
    for act in (read_file, lambda path: write_atomically(path, b"x")):
        with pytest.raises(IsADirectoryError):
            act(folder)
    assert stat.S_ISFIFO(fifo.stat().st_mode)
    assert sorted(os.listdir(tmp_path)) == ["fifo", "folder", "link"]


def test_a_regular_file_is_read(tmp_path):
    (tmp_path / "f").write_bytes(b"x\r\n")
    assert read_file(tmp_path / "f") == b"x\r\n"


# --- power cuts -----------------------------------------------------------------------------------


@pytest.fixture
def calls(monkeypatch):
    """The names of folders that were flushed, and of files that were renamed."""
    calls = []
    fsync, replace = os.fsync, os.replace

    def flush(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            calls.append(f"flush {os.path.basename(os.readlink(f'/proc/self/fd/{handle}'))}")
        fsync(handle)

    def rename(source, target):
        calls.append(f"rename {os.path.basename(target)}")
        replace(source, target)

    monkeypatch.setattr(files.os, "fsync", flush)
    monkeypatch.setattr(files.os, "replace", rename)
    return calls


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="names are those of Linux")
def test_a_folder_is_flushed_after_a_rename(tmp_path, calls):
    folder = tmp_path / "run"
    folder.mkdir()
    write_atomically(folder / "f", b"x")
    write_atomically(folder / "f", b"y", keep_previous=True)
    once = ["rename f", "flush run"]
    assert calls == [*once, "rename f.previous", *once]


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="names are those of Linux")
def test_folders_above_a_new_one_are_flushed(tmp_path, calls):
    make_folder(tmp_path / "a" / "b")
    assert sorted(calls) == sorted([f"flush {tmp_path.name}", "flush a"])
    make_folder(tmp_path / "a" / "b")
    assert len(calls) == 2


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_flushes_no_folders_will_do(tmp_path, monkeypatch, number):
    fsync = os.fsync

    def cannot(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(handle)

    monkeypatch.setattr(files.os, "fsync", cannot)
    write_atomically(tmp_path / "f", b"x")
    assert (tmp_path / "f").read_bytes() == b"x"
