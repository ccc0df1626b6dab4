"""A command that mpiexec has started: its ranks print once, and end together.

Ranks wait for each other in every training step, so that one that ended alone would leave the
others waiting. One that fails prints its sentence and ends all. Where all fail alike, rank 0 is
given the time to do it first; else the lowest of those that failed together speaks.
"""

import io
import os
import sys
import time
import traceback
from array import array
from collections.abc import Callable
from contextlib import ExitStack, redirect_stderr, redirect_stdout, suppress
from stat import S_ISFIFO

from ..errors import RunError
from ..parallel.ranks import joined

GRACE = 1.0  # seconds that rank 0 has to fail of what others have failed of
_READING = 10.0  # seconds that mpiexec has to read what a rank has printed
_STOPPED = 130  # the exit code of a run that was asked to stop, which all ranks agree on


def on_all_ranks(run: Callable[[], int | str | None]) -> int | str | None:
    """Return the exit code of a command; only rank 0 prints, or one that fails alone.

    Args:
        run: runs the command, prints its errors, and returns its exit code.
    """
    ranks = joined()
    if ranks.size == 1:
        return run()
    held = io.StringIO()
    with ExitStack() as silenced:
        if ranks.rank > 0:
            nowhere = silenced.enter_context(open(os.devnull, "w"))
            silenced.enter_context(redirect_stdout(nowhere))
            silenced.enter_context(redirect_stderr(held))
        try:
            code = run()
        except BaseException:
            traceback.print_exc()
            code = 1
    if code in (0, None, _STOPPED):
        with suppress(RunError):  # a rank that hangs when all is done: it is ended below
            ranks.barrier()
            return code
    if ranks.rank > 0:
        if ranks.is_first_to_fail(GRACE):
            sys.stderr.write(held.getvalue())
        else:
            time.sleep(GRACE)  # for the first one to end all
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    _wait_until_read(1, 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # for what MPICH says beside our sentence
    ranks.comm.Abort(code if isinstance(code, int) else 1)
    return code


def _wait_until_read(*pipes: int) -> None:
    """Wait until mpiexec's process on this machine has read what was written.

    mpiexec ends at once when a rank aborts; MPICH's drops what has not come to it by then.
    """
    try:
        from fcntl import ioctl
        from termios import FIONREAD
    except ImportError:  # on Windows
        return
    deadline = time.monotonic() + _READING
    unread = array("i", [0])
    for pipe in pipes:
        while S_ISFIFO(os.fstat(pipe).st_mode) and time.monotonic() < deadline:
            ioctl(pipe, FIONREAD, unread)
            if not unread[0]:
                break
            time.sleep(0.01)
