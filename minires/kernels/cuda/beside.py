"""Work on a second stream of the GPU, beside what is launched next.

In a training step that is to be replayed as a graph, the gradients of weights are computed so: only
the optimiser needs them. They multiply while batch norm's kernels wait for memory, and fill
multiprocessors that a small feature map leaves idle.

What the second stream begins waits, by an event, for all that was launched before it. What is
launched on the current stream waits for its event before it may read the result. And until then all
arrays that the work uses are held: CuPy's pool would give their memory to whatever is launched next
on the stream that they were made for.

Not measured on a GPU yet.
"""

from collections.abc import Callable
from contextlib import nullcontext, suppress
from contextvars import ContextVar
from typing import Any

from ...backend import Array, load
from ..lazy import LazyArray

_MOST = 4  # pieces of work whose arrays are held: two feature maps each


class SecondStream:
    """A second stream, which `begun` uses inside `with`; at the end all its work is waited for."""

    def __init__(self) -> None:
        self._stream = load("cupy").cuda.Stream(non_blocking=True)
        self._held: dict[int, tuple[Any, Any]] = {}  # by number, its last event and the arrays
        self._count = 0

    def __enter__(self) -> None:
        self._before = _second.set(self)

    def __exit__(self, kind: Any, *_: Any) -> None:
        _second.reset(self._before)
        with suppress(Exception) if kind else nullcontext():  # the first error is the one to tell
            self.wait(self._count)
        self._held = {}

    def begin(self, work: Callable[..., None], *arrays: Any) -> int:
        """Begin work(*arrays); return its number, to be waited for."""
        cuda = load("cupy").cuda
        self._stream.wait_event(_recorded(cuda.get_current_stream()))
        with self._stream:
            work(*arrays)
        self._count += 1
        self._held[self._count] = _recorded(self._stream), arrays
        self.wait(self._count - _MOST)
        return self._count

    def wait(self, number: int) -> None:
        """Let what is launched from now on come after this work, and after all before it."""
        if number in self._held:
            load("cupy").cuda.get_current_stream().wait_event(self._held[number][0])
            self._held = {n: held for n, held in self._held.items() if n > number}


_second: ContextVar[SecondStream | None] = ContextVar("second stream", default=None)


class Begun(LazyArray):
    """An array that the second stream is computing."""

    backend = "cupy"
    begun = True

    def __init__(self, array: Array, second: SecondStream, number: int) -> None:
        self.shape, self.dtype = array.shape, array.dtype
        self.array, self.second, self.number = array, second, number

    def compute(self) -> Array:
        self.second.wait(self.number)
        return self.array


def begun(work: Callable[..., None], array: Array, *used: Any) -> Array | Begun:
    """Return `array`, which work(*used, array) writes: now, or beside what is launched next."""
    second = _second.get()
    if second is None:
        work(*used, array)
        return array
    return Begun(array, second, second.begin(work, *used, array))


def _recorded(stream: Any) -> Any:
    """Return an event that comes when the stream has done what it was given so far."""
    event = load("cupy").cuda.Event(disable_timing=True)
    event.record(stream)
    return event
