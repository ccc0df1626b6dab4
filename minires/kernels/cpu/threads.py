"""Work in parallel: threads of Python, each with one BLAS thread to itself.

NumPy releases the interpreter's lock while it computes, so threads of Python run side by side.
A BLAS with threads of its own would compete with them for the cores, and for a while after: its
threads, once awake, look for more work before they sleep. (ResNet-50 on one image, AMD EPYC: 90
ms, and 140 where a single product in it had woken them.) So during work that is worth it the BLAS
is held to one thread a product, and set back afterwards.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import copy_context
from functools import partial
from itertools import pairwise
from queue import SimpleQueue
from typing import Any, TypeAlias

import numpy as np
from threadpoolctl import ThreadpoolController, threadpool_limits

from ...arguments import integer
from ...backend import Calls, recorder
from .tuning import tuning

MAX_THREADS = 1024

_Outcomes: TypeAlias = "SimpleQueue[BaseException | None]"  # of shares: what they raised


def _first_count() -> int:
    """Return what OMP_NUM_THREADS says, as for any BLAS, or the number of CPUs of this process."""
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()  # of the outermost level
    if asked.isdecimal() and int(asked) > 0:
        return min(int(asked), MAX_THREADS)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Worker(threading.Thread):
    """A thread that waits for shares."""

    def __init__(self) -> None:
        super().__init__(daemon=True, name="minires")
        self.todo: SimpleQueue[tuple[Callable[[], None], _Outcomes]] = SimpleQueue()
        self.start()

    def run(self) -> None:
        while True:
            work, outcomes = self.todo.get()
            try:
                work()
            except BaseException as error:  # raised again where the share was handed out
                outcomes.put(error)
            else:
                outcomes.put(None)
            del work, outcomes  # what it worked on must not live until the next share


class _OneBlasThread:
    """Holds the BLAS to one thread while any thread computes, and sets it back after the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before: list[tuple[Callable[[int], None], int]] = []
        libraries = ThreadpoolController().select(user_api="blas").lib_controllers
        self._counts = [(library.get_num_threads, _setter(library)) for library in libraries]

    def __enter__(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                counts = [(set_number, number()) for number, set_number in self._counts]
                self._before = [(set_number, n) for set_number, n in counts if n != 1]
                for set_number, _ in self._before:
                    set_number(1)

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                for set_number, n in self._before:
                    set_number(n)


def _setter(library: Any) -> Callable[[int], None]:
    """Return what sets the number of threads of a BLAS, whichever thread of Python asks.

    From version 3.7 on the public method of threadpoolctl obeys only the thread that asked first.
    """
    setter: Callable[[int], None] = getattr(
        library, "_real_set_num_threads", library.set_num_threads
    )
    return setter


_one_blas_thread = _OneBlasThread()


def one_blas_thread() -> _OneBlasThread:
    """Return a context in which each product has one thread of the BLAS."""
    return _one_blas_thread


_workers: list[_Worker] = []
_count = _first_count()
_handing_out = threading.Lock()  # one set of workers: a second caller meanwhile works alone


def set_num_threads(n: int) -> None:
    """Set the number of threads of operations, 1 to 1024.

    At first it is OMP_NUM_THREADS in the environment, or the process's number of CPUs.

    The same seed gives the same bits again only with the same number of threads.

    Raises:
        UsageError: `n` is no integer, or out of this range.
    """
    global _count
    _count = integer(n, "number of threads", 1, MAX_THREADS)


def get_num_threads() -> int:
    """Return the number of threads of operations."""
    return _count


def parallel_for(
    work: Callable[[int, int], None], items: int, elements: float = 0, products: float = 0
) -> None:
    """Call `work(start, stop)` on shares that together make up `range(items)`, one a thread.

    For kernels: NumPy's buffer size, which is set here, is set back after each by its errstate.
    The shares depend on these numbers and the number of threads alone, so that sums kept by
    share do not depend on the order in which threads finish.

    Args:
        work: works on the items from `start` to `stop`.
        items: how many there are.
        elements: how many are read and written once in all of it, and products: how many are
            multiplied and added in matrix products; few of both are one share.
    """
    many = elements > tuning.shared_elements or products > tuning.shared_products
    parts = max(1, min(_count, items)) if many else 1
    held = elements > tuning.held_elements or products > tuning.held_products
    if elements:
        np.setbufsize(tuning.ufunc_buffer)
    with _one_blas_thread if held else nullcontext():
        if (here := recorder()) is not None and parts > 1:
            works = [partial(work, *share) for share in _shares(items, parts)]
            here.in_shares(works, _side_by_side)
        else:
            _in_shares(work, items, parts)


def _in_shares(work: Callable[[int, int], None], items: int, parts: int) -> None:
    """Call `work` on so many shares, each in a thread unless another caller has the threads."""
    if parts == 1:
        work(0, items)
        return
    shares = _shares(items, parts)
    if not _handing_out.acquire(blocking=False):
        for start, stop in shares:
            work(start, stop)
        return
    try:
        _share_out(work, shares)
    finally:
        _handing_out.release()


def _shares(items: int, parts: int) -> list[tuple[int, int]]:
    """Return `range(items)` in so many parts, as starts and stops."""
    return list(pairwise([items * part // parts for part in range(parts + 1)]))


def _side_by_side(shares: list[Calls]) -> None:
    """Make the calls of each share, each share in a thread."""

    def work(start: int, stop: int) -> None:
        for calls in shares[start:stop]:
            for call in calls:
                call()

    _in_shares(work, len(shares), len(shares))


@contextmanager
def blas_threads(n: int) -> Iterator[None]:
    """Let matrix products outside of kernels use `n` threads inside; as many as before after."""
    with threadpool_limits(limits=n, user_api="blas"):
        yield


@contextmanager
def all_threads(n: int) -> Iterator[None]:
    """Let operations, and matrix products outside of kernels, use `n` threads inside."""
    before = get_num_threads()
    set_num_threads(n)
    try:
        with blas_threads(n):
            yield
    finally:
        set_num_threads(before)


def _share_out(work: Callable[[int, int], None], shares: list[tuple[int, int]]) -> None:
    """The first share to this thread, one to each worker."""
    while len(_workers) < len(shares) - 1:
        _workers.append(_Worker())
    # A queue of its own: an interrupt here leaves no outcome behind for the next call.
    outcomes: _Outcomes = SimpleQueue()
    for worker, share in zip(_workers, shares[1:], strict=False):
        # In a copy of this thread's context, which has NumPy's buffer size and treatment of errors.
        worker.todo.put((partial(copy_context().run, work, *share), outcomes))
    try:
        work(*shares[0])
    finally:
        errors = [outcomes.get() for _ in shares[1:]]  # even then: they use our arrays
    for error in errors:
        if error is not None:
            raise error


def _start_afresh() -> None:
    """Forget the parent's threads and locks in a forked process, which has none of them."""
    global _handing_out, _one_blas_thread
    _workers.clear()
    _handing_out = threading.Lock()
    _one_blas_thread = _OneBlasThread()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)
