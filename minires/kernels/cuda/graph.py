"""A function whose kernels are captured once, as a CUDA graph, and launched together from then on.

To launch a kernel from Python takes about as long as most kernels of a small net take to run. A
graph is launched at once, whatever the number of its kernels. It always works on the same memory:
what changes from one call to the next is copied into buffers that stay where they are, and all that
the function allocates comes from a pool of its own, which lives as long as the graph and
serves it alone.

Not measured on a GPU yet.
"""

import gc
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from ...backend import Array, Write, load, moment, writes_since
from ...errors import UsageError
from .beside import SecondStream

Arrays = tuple[Array, ...]


def expect_graphs(backend: str) -> None:
    """Raise UsageError, with its name, if a backend has no graphs."""
    if backend != "cupy":
        raise UsageError(
            f"steps can be replayed as graphs on the cupy backend alone, not on {backend}"
        )


class Captured(NamedTuple):
    """A graph, the buffers that it reads its arguments from, the results that it leaves, and what
    it writes in place."""

    graph: Any
    buffers: Arrays
    results: Arrays
    writes: list[Write]


class Replayed:
    """`function`, captured at the second call with arguments of the same shapes, then replayed.

    The first call is an ordinary one: it compiles the kernels, and fills the pool. Where CUDA or
    CuPy cannot capture, a warning says why, and all calls are ordinary ones.

    Args:
        function: takes arrays on the GPU and returns a tuple of such. It must launch the same
            kernels each time, on whatever its arguments hold, and never wait for their results.

    Attributes:
        failure: why nothing is captured; "" as long as nothing failed.

    Raises:
        DeviceError: CuPy cannot be used.
    """

    def __init__(self, function: Callable[..., Arrays]) -> None:
        cuda = load("cupy").cuda
        self.function = function
        self.failure = ""
        self._stream = cuda.Stream(non_blocking=True)  # the default one cannot be captured
        self._second = SecondStream()
        self._pool = cuda.MemoryPool()
        self._seen: set[tuple[tuple[int, ...], ...]] = set()
        self._captured: dict[tuple[tuple[int, ...], ...], Captured] = {}

    def __call__(self, *arrays: Array) -> Arrays:
        """What `function` returns; arrays that the next call with these shapes writes to."""
        shapes = tuple(a.shape for a in arrays)
        if self.failure:
            return self.function(*arrays)
        if shapes not in self._seen:
            self._seen.add(shapes)
            return self._apart(self._run, *arrays)
        if shapes not in self._captured:
            try:
                self._captured[shapes] = self.capture(*arrays)
            except Exception as error:  # CuPy's own classes are in a module that may not be there
                self.failure = f"{type(error).__name__}: {error}"
                warnings.warn(
                    f"the step cannot be captured as a CUDA graph ({self.failure}); "
                    "its kernels are launched one by one",
                    RuntimeWarning,
                    stacklevel=2,
                )
                return self.function(*arrays)
        graph, buffers, results, writes = self._captured[shapes]
        for buffer, array in zip(buffers, arrays, strict=True):
            buffer[...] = array
        graph.launch()
        for write in writes:
            write.moment = moment()
        return results

    def _run(self, *arrays: Array) -> Arrays:
        """What `function` returns; the gradients of weights are computed beside the rest."""
        with self._second:
            return self.function(*arrays)

    def _apart(self, work: Callable[..., Any], *arrays: Array) -> Any:
        """`work` on the stream and with the pool of the graph, before and after all else."""
        cuda = load("cupy").cuda
        cuda.get_current_stream().synchronize()
        with self._stream, cuda.using_allocator(self._pool.malloc):
            result = work(*arrays)
        self._stream.synchronize()
        return result

    def capture(self, *arrays: Array) -> Captured:
        """Return `function`, captured with copies of these arrays as its buffers."""
        captured: Captured = self._apart(self._capture, *arrays)
        return captured

    def _capture(self, *arrays: Array) -> Captured:
        buffers, start = tuple(a.copy() for a in arrays), moment()
        gc.collect()  # a capture does not allow memory of other streams to be freed meanwhile
        self._stream.synchronize()
        self._stream.begin_capture()
        try:
            results = self._run(*buffers)
        except BaseException:
            _end(self._stream)
            raise
        return Captured(self._stream.end_capture(), buffers, results, writes_since(start))


def _end(stream: Any) -> None:
    """End a capture that went wrong, of which there is no graph."""
    try:
        stream.end_capture()
    except Exception:  # that it went wrong is what is being told already
        return
