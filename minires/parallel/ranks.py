"""The ranks of a training: processes that take each training step together, joined by MPI.

mpiexec starts them. Each runs the same program, and has a number from 0 on. What they do together
they do by collective operations, which every rank must reach in the same order: a sum over the
ranks that all of them get is an *all-reduce*.
"""

import math
import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar, cast

import numpy as np

from ..backend import Array, backend_name, load, move, to_numpy
from ..errors import RunError, UsageError
from ..kernels import get_num_threads, set_num_threads

T = TypeVar("T")

# One of these is set, to its rank, in a process that mpiexec or srun has started.
_LAUNCHED = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK")

TIMEOUT = 600.0  # seconds; rank 0 may download data meanwhile
_ANSWERING = 5.0  # seconds that ranks have to tell each other that they wait
_WAITING = 32_001  # the tag of these messages


class Ranks:
    """The ranks that work together; without a communicator, this process alone.

    Each collective operation raises RunError if a rank has not come to it within `timeout`.

    Args:
        comm: a communicator of mpi4py, such as `MPI.COMM_WORLD`.
        timeout: seconds that a rank waits for the others.

    Attributes:
        rank: the number of this process, from 0 on.
        size: how many ranks there are.
        absent: the ranks that have not come in time.
    """

    def __init__(self, comm: Any = None, timeout: float = TIMEOUT) -> None:
        self.comm = comm
        self.timeout = timeout
        self.rank: int = comm.Get_rank() if comm else 0
        self.size: int = comm.Get_size() if comm else 1
        self.absent: list[int] = []

    def total(self, array: Array) -> Array:
        """Return the sum of an array over the ranks, with the same bits on each."""
        if self.comm is None:
            return array
        own = np.ascontiguousarray(to_numpy(array))
        result = np.empty_like(own)
        self.wait(self.start_total(own, result))
        return move(result, backend_name(array))

    def start_total(self, own: Array, result: Array) -> Any:
        """Begin to sum up an array over the ranks; return the request.

        Neither may be touched until `wait` of the request.

        Args:
            own: this rank's, of NumPy, in C order.
            result: where the sum goes, of the same kind.
        """
        return self.comm.Iallreduce(own, result)

    def wait(self, request: Any) -> None:
        """Wait until an operation that was begun has ended.

        Raises:
            RunError: it has not within `timeout`; the ranks that did not come are named.
        """
        waited, before = 0.0, time.monotonic()
        while not request.Test():
            now = time.monotonic()
            waited += min(now - before, 1.0)  # longer steps are those of a process that was stopped
            before = now
            if waited > self.timeout or self.comm.Iprobe(tag=_WAITING):
                raise self._overdue()

    def _overdue(self) -> RunError:
        """Find out which ranks wait, as one of them has waited too long; return the error."""
        from mpi4py import MPI

        waiting, status = {self.rank}, MPI.Status()
        sent = [self.comm.isend(None, r, _WAITING) for r in range(self.size) if r != self.rank]
        deadline = time.monotonic() + _ANSWERING
        while len(waiting) <= len(sent) and time.monotonic() < deadline:
            if self.comm.Iprobe(tag=_WAITING, status=status):
                self.comm.recv(source=status.source, tag=_WAITING)
                waiting.add(status.source)
        self.absent = sorted({*range(self.size)} - waiting)
        late = f"rank {', '.join(map(str, self.absent))}" if self.absent else "a message"
        return RunError(
            f"waited {self.timeout:g} s for {late}, which did not come; if more time is needed, "
            "set MINIRES_RANK_TIMEOUT to more seconds"
        )

    def broadcast(self, array: Array) -> None:
        """Replace the elements of an array by those that rank 0 has."""
        if self.comm is not None:
            there = np.array(to_numpy(array), order="C")
            self.wait(self.comm.Ibcast(there))
            array[...] = move(there, backend_name(array))

    def barrier(self) -> None:
        """Wait until every rank has come here."""
        if self.comm is not None:
            self.wait(self.comm.Ibarrier())

    def gather(self, value: T) -> list[T]:
        """Return what each rank has given, in their order: numbers, texts, lists of them."""
        self.barrier()  # MPI itself would wait for ever
        return [value] if self.comm is None else list(self.comm.allgather(value))

    def any(self, condition: bool) -> bool:
        """Return whether a condition is true on any rank."""
        return any(self.gather(condition))

    def from_first(self, make: Callable[[], T]) -> T:
        """Return what `make` returns on rank 0, which alone calls it."""
        made = make() if self.rank == 0 else None
        return cast(T, self.gather(made)[0])

    def in_turn(self, load: Callable[[], T]) -> T:
        """Return `load()`, called on rank 0 first: what it downloads, the others find."""
        if self.rank == 0:
            loaded = load()
        self.gather(None)
        return loaded if self.rank == 0 else load()

    def expect_same(self, what: dict[str, Any]) -> None:
        """Raise UsageError, on all ranks, unless they have given the same; name what differs."""
        first, *others = self.gather(what)
        for rank, other in enumerate(others, start=1):
            for name in {**first, **other}:
                if other.get(name) != first.get(name):
                    raise UsageError(
                        f"rank {rank} has {name} = {other.get(name)}, but rank 0 has "
                        f"{first.get(name)}; start all ranks with the same options, data and "
                        "version of minires"
                    )


ALONE = Ranks()


def launched_rank() -> int | None:
    """Return the rank that mpiexec has given to this process; None if it did not start it."""
    return next((int(os.environ[name]) for name in _LAUNCHED if name in os.environ), None)


@cache
def world() -> Ranks:
    """Return all ranks that were started together; this process alone if none were.

    Work is shared: ranks on one machine divide its CPUs among them, and on the backend cupy its
    GPUs, see `use_own_device`. They wait for each other for MINIRES_RANK_TIMEOUT of the
    environment, in seconds, or `TIMEOUT`.

    Raises:
        UsageError: mpiexec has started this process, but mpi4py is not installed, or the
            environment's timeout is no number of seconds.
    """
    if launched_rank() is None:
        return ALONE
    timeout = _timeout()
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise UsageError(
            f"mpiexec has started this process, but mpi4py cannot be used ({error}); install it: "
            "pip install '.[mpi]'"
        ) from error
    ranks = Ranks(MPI.COMM_WORLD if MPI.COMM_WORLD.Get_size() > 1 else None, timeout)
    beside = _beside(ranks)
    cpus = set().union(*beside.gather(_cpus()))
    set_num_threads(min(get_num_threads(), max(1, len(cpus) // beside.size)))
    return ranks


def use_own_device(ranks: Ranks, backend: str) -> None:
    """Use a GPU of its own for each rank of this machine, on the backend cupy.

    Raises:
        UsageError: there are fewer GPUs than ranks here.
    """
    if ranks.size == 1 or backend != "cupy":
        return
    cuda, beside = load(backend).cuda, _beside(ranks)
    count = cuda.runtime.getDeviceCount()
    if beside.size > count:
        raise UsageError(
            f"each of the {beside.size} ranks on a machine needs a GPU of its own, but there are "
            f"{count}"
        )
    cuda.Device(beside.rank).use()


def _beside(ranks: Ranks) -> Ranks:
    """Return those ranks that are on this machine."""
    if ranks.comm is None:
        return ranks
    from mpi4py import MPI

    ranks.barrier()  # MPI itself would wait for ever
    return Ranks(ranks.comm.Split_type(MPI.COMM_TYPE_SHARED), ranks.timeout)


def _timeout() -> float:
    """Return how many seconds ranks wait for each other."""
    given = os.environ.get("MINIRES_RANK_TIMEOUT") or str(TIMEOUT)
    with suppress(ValueError):
        if 0 < float(given) < math.inf:
            return float(given)
    raise UsageError(f"MINIRES_RANK_TIMEOUT must be a number of seconds above 0, got {given}")


def _cpus() -> list[int]:
    """Return the CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
