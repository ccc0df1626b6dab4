"""What a Dask worker runs of a sweep: one call at a time, with as many threads as it has.

A call is a function that the worker imports from its own installation of minires, and data for it.
"""

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ..backend import use
from ..errors import MiniresError, RunError, UsageError
from ..kernels import all_threads
from ..runs.machine import machine
from .version import version

_REPORT_EVERY = 0.25  # seconds; a display shows no more

# Threads, the backend and the generator of initial weights are those of the process.
_one_at_a_time = threading.Lock()
_stopped: set[str] = set()  # the sweeps whose client asked to stop


class Link:
    """What a call says to its client, and hears from it.

    Args:
        sweep: the name of the sweep, and of the topic that its client listens to.
        key: of the call.
    """

    def __init__(self, sweep: str, key: str) -> None:
        self._sweep = sweep
        self._key = key
        self._reported = -_REPORT_EVERY

    def report(self, progress: Any) -> None:
        """Send a dataclass of numbers to the client, unless the last one was sent just now."""
        from distributed import get_worker

        now = time.monotonic()
        if now - self._reported >= _REPORT_EVERY:
            self._reported = now
            get_worker().log_event(self._sweep, {"key": self._key, "progress": asdict(progress)})

    def stopping(self) -> bool:
        """Return whether the client asked to stop."""
        return self._sweep in _stopped


def perform(
    shared: Any,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    sweep: str,
    key: str,
    settings: dict[str, str],
) -> Any:
    """Return function(shared, link, *args), computed as alone on a machine with these threads.

    Args:
        shared: what all calls of the sweep need; it came to this worker once.
        function: a function of minires.
        args: of this call.
        sweep, key: as for `Link`.
        settings: `backend` of the arrays, and `version` of the client.

    Returns:
        What the function returns; None where the client asked to stop before.

    Raises:
        RunError: this worker has another version of minires than the client.
    """
    from distributed import get_worker

    worker = get_worker()
    if settings["version"] != version():
        raise RunError(other_version(worker.address, version(), settings["version"]))
    link = Link(sweep, key)
    with _one_at_a_time, all_threads(worker.state.nthreads), use(settings["backend"]):
        return None if link.stopping() else function(shared, link, *args)


def received(shared: Any) -> Any:
    """Return what all calls of a sweep need: as a task of its own, it travels once to a worker."""
    return shared


def ask_to_stop(sweep: str) -> None:
    """End what is computed of a sweep on this worker after its present step."""
    _stopped.add(sweep)


def facts(backend: str, dask_worker: Any) -> dict[str, Any]:
    """Return the version of minires on this worker, and what decides bits there, see `machine`."""
    threads = dask_worker.state.nthreads
    found = {**machine(backend), "threads": threads}
    if "blas.num_threads" in found:
        found["blas.num_threads"] = threads
    return {"version": version(), "machine": found}


def other_version(worker: str, theirs: str, ours: str) -> str:
    """Return the sentence about a worker with another version."""
    return f"the worker {worker} has minires {theirs}, but {ours} is here; install the same on both"


def expect_same_version(worker: str, answer: Any) -> None:
    """Raise UsageError unless a worker's answer is that of the same minires."""
    ours = version()
    if isinstance(answer, MiniresError):
        raise UsageError(f"the worker {worker} cannot be used: {answer}") from answer
    if isinstance(answer, BaseException):
        raise UsageError(
            f"the worker {worker} has no minires, or another version than {ours}, which is here "
            f"({answer}); install the same on both"
        ) from answer
    if answer["version"] != ours:
        raise UsageError(other_version(worker, answer["version"], ours))


def dask_setup(_worker: Any) -> None:
    """Leave Ctrl-C to the client; Dask calls this in each process of a cluster of this machine."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
