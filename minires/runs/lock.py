"""One process a run folder: a lock that the system opens when its holder ends, however it ends."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from ..errors import RunError

_NAME = ".lock"  # holds the id of the process that has the folder, or was killed while it had it
_ELSEWHERE = 1 << 30  # a byte that is not there: on Windows nobody can read one that is locked


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Inside, `folder` is this process's alone, as long as all others ask too.

    Raises:
        RunError: another process has it; names the folder and the process.
        OSError: the folder cannot be written.
    """
    with _held(folder) as file:
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            with suppress(OSError):  # Windows keeps files that are open
                (folder / _NAME).unlink()


def _held(folder: Path) -> IO[str]:
    """The lock's file, locked; closing it, or the end of the process, opens the lock."""
    path = folder / _NAME
    while True:
        with ExitStack() as closing:
            file = closing.enter_context(open(path, "a+", encoding="ascii", errors="replace"))
            try:
                _lock(file.fileno())
            except BlockingIOError:
                file.seek(0)
                raise RunError(
                    f"another process ({file.read(20).strip() or 'not named yet'}) is at work in "
                    f"{folder}; wait for it, or end it first"
                ) from None
            # Not if its last holder has removed it meanwhile: others would lock a new one.
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                closing.pop_all()
                return file


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        os.lseek(handle, _ELSEWHERE, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            raise BlockingIOError from None

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
