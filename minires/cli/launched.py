"""A command that mpiexec has started: its ranks print once, and end together.

Ranks wait for each other in every training step, so that one that ended alone would leave the
others waiting. One that fails prints its sentence and ends all. Where all fail alike, rank 0 is
given the time to do it first; where a rank has not come, the first of those that wait speaks.
"""

import io
import os
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack, redirect_stderr, redirect_stdout, suppress
from typing import Any

import numpy as np

from ..errors import RunError
from ..parallel.ranks import Ranks, world

GRACE = 1.0  # seconds that rank 0 has to fail of what others have failed of
_STOPPED = 130  # the exit code of a run that was asked to stop, which all ranks agree on


def on_all_ranks(run: Callable[[], int | str | None]) -> int | str | None:
    """Return the exit code of a command; only rank 0 prints, or one that fails alone.

    Args:
        run: runs the command, prints its errors, and returns its exit code.
    """
    os.environ.setdefault("MPIR_CVAR_SUPPRESS_ABORT_MESSAGE", "1")  # MPICH's own, beside ours
    ranks = world()
    if ranks.size == 1:
        return run()
    first, held = _First(ranks), io.StringIO()
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
            first.free()
            return code
    if ranks.rank > 0:
        time.sleep(GRACE)
        if not first.is_this_rank():
            time.sleep(GRACE)
        else:
            sys.stderr.write(held.getvalue())
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    ranks.comm.Abort(code if isinstance(code, int) else 1)
    return code


class _First:
    """Tells which of several ranks was the first to ask: a counter that rank 0 holds for all."""

    def __init__(self, ranks: Ranks) -> None:
        from mpi4py import MPI

        self.ranks = ranks
        self.counter: Any = MPI.Win.Allocate(8 * (ranks.rank == 0), 8, comm=ranks.comm)
        if ranks.rank == 0:
            memory: Any = self.counter.tomemory()
            np.frombuffer(memory, np.int64)[:] = 0
        ranks.barrier()
        self.counter.Lock_all()

    def is_this_rank(self) -> bool:
        """Return whether no rank has asked before; if one is absent, whether this is the first."""
        from mpi4py import MPI

        one, before = np.ones(1, np.int64), np.zeros(1, np.int64)
        if not self.ranks.absent:
            with suppress(RunError):  # rank 0, which answers, may not come
                self.ranks.wait(self.counter.Rget_accumulate(one, before, 0, op=MPI.SUM))
        here = {*range(self.ranks.size)} - {*self.ranks.absent}
        return bool(before[0] == 0) and (not self.ranks.absent or self.ranks.rank == min(here))

    def free(self) -> None:
        """Give the counter back, when all ranks have come."""
        self.ranks.barrier()
        self.counter.Unlock_all()
        self.counter.Free()
