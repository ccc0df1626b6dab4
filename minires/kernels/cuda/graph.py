"""A function whose kernels are captured once, as a CUDA graph, and launched together from then on.

To launch a kernel from Python takes about as long as most kernels of a small net take to run. A
graph is launched at once, whatever the number of its kernels. It always works on the same memory:
what changes from one call to the next is copied into buffers that stay where they are, and all that
the function allocates comes from a pool of its own, which lives as long as the graph and
serves it alone.

Not measured on a GPU yet.
"""

import gc
from collections.abc import Callable
from typing import Any

from ...backend import Array, Write, load, moment, writes_since
from ..replayed import Arrays, Graph
from .beside import SecondStream


class Captured(Graph):
    """A CUDA graph.

    Args:
        graph: CuPy's; buffers, results, writes: as for `Graph`.
    """

    def __init__(self, graph: Any, buffers: Arrays, results: Arrays, writes: list[Write]) -> None:
        self.graph, self.buffers, self.results, self.writes = graph, buffers, results, writes

    def launch(self) -> None:
        """Launch it; a graph decides nothing."""
        self.graph.launch()


class Graphs:
    """Graphs of one function, which share a pool.

    The first call with arguments of given shapes is an ordinary one: it compiles the kernels, and
    fills the pool. The function must never wait for the results of its kernels.

    Raises:
        DeviceError: CuPy cannot be used.
    """

    def __init__(self, function: Callable[..., Arrays]) -> None:
        cuda = load("cupy").cuda
        self.function = function
        self._stream = cuda.Stream(non_blocking=True)  # the default one cannot be captured
        self._second = SecondStream()
        self._pool = cuda.MemoryPool()

    def first(self, *arrays: Array) -> Arrays:
        """What the function returns."""
        results: Arrays = self._apart(self._run, *arrays)
        return results

    def capture(self, *arrays: Array) -> Captured:
        """Return the function, captured with copies of these arrays as its buffers."""
        captured: Captured = self._apart(self._capture, *arrays)
        return captured

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
