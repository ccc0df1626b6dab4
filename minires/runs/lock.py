"""The lock of a run folder: one process at a time; the system releases it when that one ends.

Two locks are held: that of the file .lock, which names the process, and that of the folder itself,
so that it does not help to remove .lock. Windows and some network file systems lock files only.
"""

import errno
import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ..errors import RunError

_NAME = ".lock"  # holds the id of the process that has the lock, or was killed while it had it
_OFFSET = 1 << 30  # behind the id, because Windows lets no other process read a locked byte
# No link is followed, and no FIFO waited for.
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Inside, no other process can enter `locked` with the same folder.

    Raises:
        RunError: another process has the lock; names the folder and the process.
        OSError: the folder cannot be written, or .lock is a link or no regular file.
    """
    path = folder / _NAME
    with ExitStack() as held:
        try:
            _lock_folder(folder, held)
            handle = _lock_file(path, held)
        except BlockingIOError:
            raise RunError(
                f"another process ({_holder(path)}) is at work in {folder}; wait for it, or end "
                "it first"
            ) from None
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, str(os.getpid()).encode())
        try:
            yield
        finally:
            with suppress(OSError):  # Windows does not remove open files
                if _is_at(path, handle):
                    path.unlink()


def _lock_file(path: Path, held: ExitStack) -> int:
    """Open and lock a file, which is there until `held` is closed; return its handle."""
    while True:
        with ExitStack() as opened:
            if path.is_symlink():
                raise OSError(errno.EINVAL, f"{_NAME} is a link", str(path))
            handle = _open(path, _FLAGS, opened)
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
                raise OSError(errno.EINVAL, f"{_NAME} is another file or device", str(path))
            _lock(handle)
            if _is_at(
                path, handle
            ):  # otherwise it was removed meanwhile, and others lock a new one
                held.push(opened.pop_all())
                return handle


def _open(path: Path, flags: int, opened: ExitStack) -> int:
    """Open a file, and close it with `opened`, when an error can do no more harm."""
    handle = os.open(path, flags, 0o666)

    def close() -> None:
        with suppress(OSError):
            os.close(handle)

    opened.callback(close)
    return handle


def _is_at(path: Path, handle: int) -> bool:
    """Return whether an open file is the one at a path."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _holder(path: Path) -> str:
    """The process that a lock file names."""
    with suppress(OSError), ExitStack() as opened:
        named = os.read(_open(path, _FLAGS & ~os.O_CREAT, opened), 20)
        if re.fullmatch(rb"\d+", named):
            return named.decode()
    return "not named"


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        os.lseek(handle, _OFFSET, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            raise BlockingIOError from None

    def _lock_folder(folder: Path, held: ExitStack) -> None:
        pass  # opens no folders

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _lock_folder(folder: Path, held: ExitStack) -> None:
        try:
            _lock(_open(folder, os.O_RDONLY, held))
        except BlockingIOError:
            raise
        except OSError:  # as on NFS, which locks what is open for writing
            return
