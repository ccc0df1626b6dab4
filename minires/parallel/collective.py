"""What the ranks of a training do together: collective operations, and telling of failures.

Every rank must reach the same collective operations in the same order. A sum over the ranks that
all of them get is an *all-reduce*.
"""

import json
import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np

from ..backend import Array, array_module, backend_name, load, move, to_numpy
from ..errors import RunError, UsageError

T = TypeVar("T")

TIMEOUT = 600.0  # seconds; rank 0 may download data meanwhile
_ANSWERING = 5.0  # seconds that ranks have to tell each other that they wait
_WAITING, _FAILED = 32_001, 32_002  # the tags of messages that say no more


class Ranks:
    """The ranks that work together; without a communicator, this process alone.

    Each collective operation raises RunError if a rank has not come to it within `timeout`.

    Args:
        comm: a communicator of mpi4py, such as `MPI.COMM_WORLD`.
        timeout: seconds that a rank waits for the others.
        gpu_arrays: whether the communicator sums arrays of CuPy where they are; otherwise they
            travel through host memory.

    Attributes:
        rank: the number of this process, from 0 on.
        size: how many ranks there are.
    """

    def __init__(
        self, comm: Any = None, timeout: float = TIMEOUT, gpu_arrays: bool = False
    ) -> None:
        self.comm = comm
        self.timeout = timeout
        self.gpu_arrays = gpu_arrays
        self.rank: int = comm.Get_rank() if comm else 0
        self.size: int = comm.Get_size() if comm else 1

    def total(self, array: Array) -> Array:
        """Return the sum of an array over the ranks, with the same bits on each."""
        if self.comm is None:
            return array
        sent = move(array, self.sent_from(array))
        xp = array_module(sent)
        own = xp.ascontiguousarray(sent)
        result = xp.empty_like(own)
        self.wait(self.start_total(own, result))
        return move(result, backend_name(array))

    def sent_from(self, array: Array) -> str:
        """Return the name of the backend that an array is on while it travels."""
        return backend_name(array) if self.gpu_arrays else "numpy"

    def start_total(self, own: Array, result: Array) -> Any:
        """Begin to sum up an array over the ranks; return the request.

        Neither may be touched until `wait` of the request.

        Args:
            own: this rank's, on the backend `sent_from`, in C order.
            result: where the sum goes, of the same kind.
        """
        if backend_name(own) == "cupy":  # MPI does not wait for what a GPU still computes
            load("cupy").cuda.get_current_stream().synchronize()
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
        absent = sorted({*range(self.size)} - self._told(_WAITING, _ANSWERING))
        late = f"rank {', '.join(map(str, absent))}" if absent else "a message"
        return RunError(
            f"waited {self.timeout:g} s for {late}, which did not come; if more time is needed, "
            "set MINIRES_RANK_TIMEOUT to more seconds"
        )

    def is_first_to_fail(self, seconds: float) -> bool:
        """Tell the ranks that this one has failed; return, after so many seconds, whether it has
        the lowest number of those that have."""
        return self.rank == min(self._told(_FAILED, seconds))

    def _told(self, tag: int, seconds: float) -> set[int]:
        """Tell all ranks something; return those that told it too, in so many seconds."""
        from mpi4py import MPI

        told, status = {self.rank}, MPI.Status()
        sent = [self.comm.isend(None, r, tag) for r in range(self.size) if r != self.rank]
        deadline = time.monotonic() + seconds
        while len(told) <= len(sent) and time.monotonic() < deadline:
            if self.comm.Iprobe(tag=tag, status=status):
                self.comm.recv(source=status.source, tag=tag)
                told.add(status.source)
        return told

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
        """Return what each rank has given, in their order: numbers, texts, lists of them.

        They travel as JSON, in which a tuple is a list.
        """
        if self.comm is None:
            return [value]
        own = np.frombuffer(json.dumps(value).encode(), np.uint8)
        sizes = np.empty(self.size, np.int64)
        self.wait(self.comm.Iallgather(np.array([own.size]), sizes))
        parts = np.empty(sizes.sum(), np.uint8)
        self.wait(self.comm.Iallgatherv(own, [parts, sizes]))
        return [json.loads(part.tobytes()) for part in np.split(parts, np.cumsum(sizes)[:-1])]

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
        self.barrier()
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
                        "versions of minires and NumPy"
                    )


ALONE = Ranks()
