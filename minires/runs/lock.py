"""The lock of a run folder: one process at a time; the system releases it when that one ends."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import RunError

_NAME = ".lock"  # holds the id of the process that has the lock, or was killed while it had it
_OFFSET = 1 << 30  # behind the id, because Windows lets no other process read a locked byte


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Inside, no other process can enter `locked` with the same folder.

    Raises:
        RunError: another process has the lock; names the folder and the process.
        OSError: the folder cannot be written.
    """
    path = folder / _NAME
    with open(path, "a+", encoding="ascii", errors="replace") as file:  # closing it releases it
        try:
            _lock(file.fileno())
        except BlockingIOError:
            file.seek(0)
            raise RunError(
                f"another process ({file.read(20).strip() or 'not named yet'}) is at work in "
                f"{folder}; wait for it, or end it first"
            ) from None
        if os.fstat(file.fileno()).st_nlink == 0:  # removed meanwhile; others lock a new file
            with locked(folder):
                yield
            return
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            with suppress(OSError):  # Windows does not remove open files
                path.unlink()


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        os.lseek(handle, _OFFSET, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            raise BlockingIOError from None

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
