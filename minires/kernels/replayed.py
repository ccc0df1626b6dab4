"""A function of arrays that is recorded once, and replayed from then on."""

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol, TypeAlias

import numpy as np

from ..arguments import function as checked
from ..arguments import shown
from ..backend import Array, Write, backend_name, is_array, moment
from ..errors import GraphError, UsageError
from ..modes import modes
from .cpu.threads import get_num_threads
from .registry import PACKAGES

Arrays: TypeAlias = tuple[Array, ...]


class DivergedError(Exception):
    """What a record decides by a number went another way; all that it wrote is as before."""


class UnlikeError(GraphError):
    """A record does not do what the function does.

    Attributes:
        results: what the function has returned; None if its call was undone.
    """

    def __init__(self, message: str, results: Arrays | None) -> None:
        super().__init__(message)
        self.results = results


class Graph:
    """All that a function does to arrays of given shapes, to be done again.

    Attributes:
        buffers: where it reads its arguments; results: where it leaves what it returns.
        writes: what it writes in place.
    """

    buffers: Arrays
    results: Arrays
    writes: list[Write]

    def is_current(self) -> bool:
        """Return whether what it was made with is still there."""
        return True

    def is_tried(self, arrays: Arrays) -> bool:
        """Return whether it needs no comparison with the function for these arguments."""
        return True

    def launch(self) -> None:
        """Do it.

        Raises:
            DivergedError: it would not do what the function does now.
        """
        raise NotImplementedError


class Graphs(Protocol):
    """How a function is recorded on one backend."""

    def first(self, *arrays: Array) -> Arrays:
        """What the function returns at its first call with these shapes."""

    def capture(self, *arrays: Array) -> Graph:
        """Return the function as a graph; it has not done anything in the end."""


class Replayed:
    """`function`, recorded by its second call with arguments of the same shapes, then replayed.

    On a CPU a replay makes the same calls of NumPy in the same memory, without the Python between
    them, on a GPU it launches one CUDA graph. The results are those of the function, bit for bit.
    Where it cannot be recorded, a warning says why, and all calls are ordinary ones.

        step = minires.Replayed(lambda x, labels: (learn(x, labels).data,))

    Args:
        function: takes arrays, of one backend, and returns a tuple of such. It may get copies,
            to which it does not write, and must do the same with them each time, whatever numbers
            they hold. What it does beside, such as counting its calls or keeping an array for the
            next, is not done in a replay.

    What the function reads beside its arguments must stay as it is. A change is noticed of the
    array of a tensor (`p.data = x`), train() and eval(), the numbers of an optimiser, the number of
    threads and modes such as `no_grad`; on a GPU, of the last alone. It is not noticed of
    `requires_grad`, hooks and other numbers and arrays: make a new `Replayed` then. One `Replayed`
    is not for two threads at once.

    Attributes:
        failure: why nothing is recorded; "" as long as nothing failed.

    Raises:
        UsageError: `function` is none, takes no arrays, or does not return a tuple of arrays.
        DeviceError: CuPy cannot be used.
    """

    def __init__(self, function: Callable[..., Arrays]) -> None:
        self.function = checked(function, "function")
        self.failure = ""
        self._by_backend: dict[str, Graphs] = {}
        self._seen: set[Any] = set()
        self._captured: dict[Any, Graph] = {}

    def __call__(self, *arrays: Array) -> Arrays:
        """What `function` returns; arrays that the next call writes to."""
        for array in arrays:
            if not is_array(array):
                raise UsageError(f"a replayed function takes arrays, got {shown(array)}")
        if self.failure or not arrays or _is_watched():
            return self._call(*arrays)
        key = cache_key(arrays)
        try:
            graph = self._current(key, arrays) or self._record(key, arrays)
            if not isinstance(graph, Graph):
                return graph
            fill(graph.buffers, arrays)
            graph.launch()
        except DivergedError:
            self._forget(key)  # the next call records the other way
            return self._call(*arrays)
        for write in graph.writes:
            write.moment = moment()
        return graph.results

    def capture(self, *arrays: Array) -> Graph:
        """Return `function` as a graph, with copies of these arrays as its buffers."""
        return self._graphs(arrays).capture(*arrays)

    def _current(self, key: Any, arrays: Arrays) -> Graph | None:
        """Return the graph, if there is one that need not be made again."""
        graph = self._captured.get(key)
        if graph is None or (graph.is_current() and graph.is_tried(arrays)):
            return graph
        if graph.is_current():
            del self._captured[key]
        else:
            self._forget(key)
        return None

    def _forget(self, key: Any) -> None:
        self._captured.pop(key, None)
        self._seen.discard(key)

    def _record(self, key: Any, arrays: Arrays) -> Graph | Arrays:
        """Return the function as a graph, or, if there is none yet, what it returns."""
        try:
            if key not in self._seen:
                results = self._graphs(arrays).first(*arrays)
                self._seen.add(key)
                return results
            self._captured[key] = self.capture(*arrays)
            return self._captured[key]
        except DivergedError:
            raise
        except Exception as error:  # CuPy's own classes are in a module that may not be there
            failure = f"{type(error).__name__}: {error}"
            made = error.results if isinstance(error, UnlikeError) else None
        for held in (self._by_backend, self._seen, self._captured):
            held.clear()  # the call below needs the memory, and so is outside the handler
        results = self._call(*arrays) if made is None else made
        self.failure = failure
        warnings.warn(
            f"the step cannot be recorded ({self.failure}); its calls are made one by one",
            RuntimeWarning,
            stacklevel=3,
        )
        return results

    def _call(self, *arrays: Array) -> Arrays:
        """What the function returns, if that is what it has to be."""
        results = self.function(*arrays)
        arrays_alone = isinstance(results, tuple) and all(
            is_array(result) or isinstance(result, np.generic) for result in results
        )
        if not arrays_alone:
            given = shown(results)
            raise UsageError(f"a replayed function returns a tuple of arrays; this one {given}")
        return results

    def _graphs(self, arrays: Arrays) -> Graphs:
        name = backend_name(arrays[0])
        if name not in self._by_backend:
            module = import_module(f"{PACKAGES[name]}.graph", __package__)
            self._by_backend[name] = module.Graphs(self._call)
        return self._by_backend[name]


def cache_key(arrays: Arrays) -> Any:
    """Return what decides, beside numbers, on the calls that a function makes of these arrays.

    Sums are added up in an order that depends on how their numbers lie in memory.
    """
    how = modes.grad_enabled, modes.textbook, modes.tf32, get_num_threads()
    return how, tuple((a.shape, a.strides, a.dtype) for a in arrays)


def _is_watched() -> bool:
    """Return whether a hook wants to see what is done, such as that of another record."""
    return bool(modes.forward_hooks or modes.backward_hooks or modes.read_hooks)


def fill(buffers: Arrays, arrays: Arrays) -> None:
    """Write the arguments of a call to where a graph reads them."""
    for buffer, array in zip(buffers, arrays, strict=True):
        buffer[...] = array
