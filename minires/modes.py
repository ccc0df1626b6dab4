"""What surrounds the operations of a thread: modes, the module they run in, who watches.

Here too the fast twins of operations are registered and found: which of them runs depends on
what surrounds it.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from .backend import Array

if TYPE_CHECKING:
    from .autograd import Op, Step

T = TypeVar("T")
Watcher: TypeAlias = "Callable[[Op, tuple[Array | None, ...], Array], None]"
StepWatcher: TypeAlias = "Callable[[Step], None]"


class _State(threading.local):
    """What surrounds the operations of one thread.

    Attributes:
        grad_enabled, textbook, tf32: see `no_grad`, `textbook` and `tf32`.
        recomputing: whether a forward runs for the second time, see `minires.checkpoint`.
        path: the names of the modules that an operation runs in, the outermost first.
        watchers, step_watchers: see `watching` and `watching_steps`.
    """

    grad_enabled = True
    recomputing = False
    textbook = os.environ.get("MINIRES_TEXTBOOK", "0") not in ("", "0")
    tf32 = False

    def __init__(self) -> None:
        self.path: list[str] = []
        self.watchers: list[Watcher] = []
        self.step_watchers: list[StepWatcher] = []


state = _State()

_twins: dict[tuple[Any, str], Any] = {}


def twin(original: Any, backend: str) -> Callable[[T], T]:
    """Make what is decorated the fast twin of `original` on arrays of `backend`.

    The twin of an Op is a subclass that an operation becomes where its `suits` says so; that
    of a function is a function of the same arguments.
    """

    def register(fast: T) -> T:
        _twins[original, backend] = fast
        return fast

    return register


def twin_of(original: Any, backend: str) -> Any:
    """The fast twin of an operation or function; None if there is none, or within `textbook`."""
    return None if state.textbook else _twins.get((original, backend))


@contextmanager
def no_grad() -> Iterator[None]:
    """Inside, operations are computed but not recorded: no graph, nothing saved."""
    before, state.grad_enabled = state.grad_enabled, False
    try:
        yield
    finally:
        state.grad_enabled = before


@contextmanager
def textbook() -> Iterator[None]:
    """Inside, every operation is computed as it is written in `minires.ops`.

    Outside, fast twins of the operations are used where there are any; backward always goes
    the way that forward went. MINIRES_TEXTBOOK=1 in the environment does it for a whole program.
    """
    before, state.textbook = state.textbook, True
    try:
        yield
    finally:
        state.textbook = before


@contextmanager
def tf32(use: bool = True) -> Iterator[None]:
    """Inside, convolutions and fully connected layers on a GPU may `use` its tensor cores.

    Their factors, in float32, are then rounded to TF32, with 10 bits of fraction instead of 23; the
    products are added up in float32. Nothing else changes, and nothing on a CPU.
    """
    before, state.tf32 = state.tf32, use
    try:
        yield
    finally:
        state.tf32 = before


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Inside, `watcher(op, inputs, output)` is called after every forward."""
    state.watchers.append(watcher)
    try:
        yield
    finally:
        state.watchers.remove(watcher)


@contextmanager
def watching_steps(watcher: StepWatcher) -> Iterator[None]:
    """Inside, `watcher(step)` is called after every backward, before its gradients go on."""
    state.step_watchers.append(watcher)
    try:
        yield
    finally:
        state.step_watchers.remove(watcher)
