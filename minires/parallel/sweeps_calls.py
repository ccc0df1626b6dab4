"""Calls on the workers of a sweep: handed out, watched, and their results as they arrive."""

import time
from asyncio import CancelledError
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any
from uuid import uuid4

from ..errors import MiniresError, RunError, UsageError
from . import sweeps_worker

_AHEAD = 2  # calls for each worker, so that it has the next one when it is done with the last
_TICK = 0.2  # seconds after which it is asked again whether to stop
_STOPPING = 30.0  # seconds that workers have to end the step they are at
_NO_WORKERS = 60.0  # seconds that a cluster may be without any
_SILENCE = 60.0  # seconds that a cluster has to answer
_TRAVEL = 600.0  # seconds that a result has to come, or to be computed again
_LOST = "the connection to the scheduler is lost; what arrived is saved"


@dataclass(frozen=True)
class Arrival:
    """What a worker sent of the call `name`: its result, or, if that is None, its progress."""

    name: Any
    progress: dict[str, Any] | None = None
    result: Any = None


class Calls:
    """Calls of functions of minires; Dask decides on which worker, and again if one is lost.

    Args:
        client: of Dask.
        shared: what all of them need.
        backend: of the arrays.
        check: raises an error if one of the workers that it gets cannot be used.

    Attributes:
        stopped: whether no more calls are handed out: this was asked for, or one has failed.
    """

    def __init__(
        self, client: Any, shared: Any, backend: str, check: Callable[[list[str]], None]
    ) -> None:
        self._client = client
        self._check = check
        self._checked: set[str] = set()  # workers
        self._sweep = f"minires-{uuid4().hex}"
        self._settings = {"backend": backend, "version": sweeps_worker.version()}
        # A task, not scattered data: where all workers that have it are lost, it is made again.
        self._shared = client.submit(sweeps_worker.received, shared, key=f"{self._sweep}-shared")
        self._waiting: deque[tuple[Any, Callable[..., Any], tuple[Any, ...]]] = deque()
        self._running: dict[str, tuple[Any, Any, str]] = {}  # name, future, worker; by key
        self._count = 0
        self._arrived: SimpleQueue[Any] = SimpleQueue()  # futures that ended, (time, message)
        self._failure: MiniresError | None = None
        self._had_workers = time.monotonic()
        self._deadline = float("inf")
        self.stopped = False
        client.subscribe_topic(self._sweep, self._arrived.put)

    def submit(
        self, name: Any, function: Callable[..., Any], *args: Any, first: bool = False
    ) -> None:
        """Add a call: function(shared, link, *args), see `sweeps_worker.perform`.

        Args:
            name: of the call, for its arrivals and for messages.
            function: can be imported by the workers.
            args: data.
            first: before those that wait.
        """
        (self._waiting.appendleft if first else self._waiting.append)((name, function, args))

    def arrivals(self, stop: Callable[[], bool]) -> Iterator[Arrival]:
        """Yield progress and results until there are no more calls.

        Args:
            stop: called after every arrival; True ends each call after its present step.

        Raises:
            RunError: a worker failed, no worker is left, or the scheduler is lost or silent.
            MiniresError: what a call raised, after what else arrived.
        """
        while self._running or (self._waiting and not self.stopped):
            if not self.stopped and stop():
                self.stop()
            if not self.stopped:
                self._hand_out()
            if time.monotonic() > self._deadline:
                break
            try:
                arrived = self._arrived.get(timeout=_TICK)
            except Empty:
                self._expect_scheduler()
                continue
            arrival = self._message(*arrived) if isinstance(arrived, tuple) else self._end(arrived)
            if arrival is not None:
                yield arrival
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Hand out no more calls, and end those that are computed after their present step."""
        self.stopped = True
        self._deadline = time.monotonic() + _STOPPING
        Thread(target=self._ask_to_stop, daemon=True).start()  # a worker that hangs never answers

    def _ask_to_stop(self) -> None:
        with suppress(Exception):  # the scheduler may be lost
            self._client.run(sweeps_worker.ask_to_stop, self._sweep, on_error="ignore")

    def cancel(self) -> None:
        """Forget what is still computed."""
        futures = [self._shared, *(future for _, future, _ in self._running.values())]
        if self._client.status == "running":
            self._client.unsubscribe_topic(self._sweep)
            self._client.cancel(futures)

    def _hand_out(self) -> None:
        """Submit calls, so many that no worker has to wait for its next one."""
        self._expect_scheduler()
        workers = answer(self._client, self._client.scheduler.identity, n_workers=-1)["workers"]
        now = time.monotonic()
        if workers:
            self._had_workers = now
        elif now - self._had_workers > _NO_WORKERS:
            raise RunError(
                f"no worker is left at {self._client.scheduler.address} since {_NO_WORKERS:.0f} s; "
                "what arrived is saved"
            )
        if come := sorted(workers.keys() - self._checked):
            try:
                self._check(come)
            except UsageError as error:
                self._fail(error)
                return
            self._checked.update(come)
        busy = Counter(worker for _, _, worker in self._running.values())
        while self._waiting and workers:
            worker = min(workers, key=lambda address: busy[address])
            if busy[worker] >= _AHEAD:
                break
            busy[worker] += 1
            self._submit(worker, *self._waiting.popleft())

    def _submit(
        self, worker: str, name: Any, function: Callable[..., Any], args: tuple[Any, ...]
    ) -> None:
        self._count += 1
        key = f"{self._sweep}-{self._count}"
        call = (self._shared, function, args, self._sweep, key, self._settings)
        # Left alone, Dask prefers the workers that have the shared data, and others stay idle.
        where = {"workers": [worker], "allow_other_workers": True, "priority": -self._count}
        future = self._client.submit(sweeps_worker.perform, *call, key=key, **where)
        self._running[key] = name, future, worker
        future.add_done_callback(self._arrived.put)

    def _message(self, _time: float, message: dict[str, Any]) -> Arrival | None:
        """Return the progress of a call; None if its result is already there."""
        running = self._running.get(message["key"])
        return running and Arrival(running[0], progress=message["progress"])

    def _end(self, future: Any) -> Arrival | None:
        """Return the result of a call; None if it failed, or was stopped before it began."""
        name, _, _ = self._running.pop(future.key)
        try:
            result = future.result(timeout=_TRAVEL)
        except MiniresError as error:
            self._fail(error)
        except TimeoutError:
            raise _silent(self._client.scheduler.address, _TRAVEL) from None
        except Exception as error:  # Dask's, or a bug of ours on a worker
            self._expect_scheduler()
            problem = f"{name} was not computed: {type(error).__name__}: {error}"
            self._fail(RunError(f"{problem}; what arrived is saved"), error)
        else:
            return None if result is None else Arrival(name, result=result)
        return None

    def _fail(self, error: MiniresError, cause: BaseException | None = None) -> None:
        """Note the first failure, which is raised when what is computed has ended."""
        if self._failure is None:
            error.__cause__ = cause
            self._failure = error
            self.stop()

    def _expect_scheduler(self) -> None:
        """Raise RunError if the scheduler is lost."""
        if self._client.status != "running":
            raise RunError(_LOST)


def answer(client: Any, ask: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Return what a cluster answers.

    Args:
        client: of Dask.
        ask: of the client or its scheduler; returns something to await in Dask's event loop.
        args, options: for `ask`.

    Raises:
        RunError: the scheduler is lost, or does not answer within `_SILENCE`.
    """
    address = client.scheduler.address
    try:
        return client.sync(ask, *args, **options, callback_timeout=_SILENCE)
    except TimeoutError:
        raise _silent(address, _SILENCE) from None
    except (OSError, CancelledError) as error:
        raise RunError(_LOST) from error


def _silent(address: str, seconds: float) -> RunError:
    return RunError(
        f"the scheduler {address}, or a worker that it asked, has not answered for "
        f"{seconds:.0f} s; what arrived is saved"
    )
