"""Stands in for CuPy's capture of CUDA graphs: what runs is recorded, and refused where CUDA would.

While a stream captures, kernels and whatever writes into an array are not run; what makes a new
array is, on whatever garbage there is; both are put on the tape. A launch of the graph runs the
tape, each result in the memory that it had. What would wait for the GPU raises, and so does cuBLAS.
What is on the tape can be counted, by the name of the kernel or of CuPy's function.
"""

from collections import Counter
from contextlib import contextmanager
from functools import wraps
from types import SimpleNamespace

import cuda_emulator
import numpy as np
import pytest
from standin import standin
from standin.arrays import METHODS, ndarray

WAITING = ("item", "tolist", "get", "set", "__bool__", "__int__", "__float__")
OTHER = "eq ne lt le gt ge neg pos abs invert getitem"
BINARY = "add sub mul truediv floordiv mod pow and or xor"
IN_PLACE = ("__setitem__", "fill", *(f"__i{name}__" for name in BINARY.split()))
PURE = (
    *(f"__{side}{name}__" for name in BINARY.split() for side in ("", "r")),
    *(f"__{name}__" for name in OTHER.split()),
    *METHODS,
    *("astype", "ravel"),
)
CUBLAS = ("matmul", "dot", "tensordot")
UNWRITTEN = ("empty", "empty_like")


class CUDARuntimeError(RuntimeError):
    """CuPy's, for what CUDA refuses."""


class Tape:
    """What one stream captures at a time: names, "" of what is no work for the GPU, and calls."""

    def __init__(self):
        self.steps = None  # None while nothing is captured

    def pure(self, name, function):
        @wraps(function)
        def run(*args, **options):
            steps, self.steps = self.steps, None  # what it calls is a part of it
            try:
                result = function(*args, **options)
            finally:
                self.steps = steps
            if self.steps is not None and isinstance(result, ndarray):
                work = "" if name in UNWRITTEN or is_view(result, args) else name
                self.steps.append((work, lambda: again(result, function(*args, **options))))
            return result

        return run

    def in_place(self, function):
        @wraps(function)
        def run(array, *args):
            if self.steps is None:
                return function(array, *args)
            name = getattr(array, "name", function.__name__)  # a kernel has one of its own
            self.steps.append((name, lambda: function(array, *args)))
            return array

        return run

    def waiting(self, function):
        @wraps(function)
        def run(*args, **options):
            if self.steps is not None:
                raise CUDARuntimeError("cudaErrorStreamCaptureUnsupported: operation not permitted")
            return function(*args, **options)

        return run


def is_view(result, args):
    """Whether a result lies in the memory of an argument."""
    return any(np.shares_memory(result._host, a._host) for a in args if isinstance(a, ndarray))


def again(result, new):
    """Write what a step makes now where it was before; a view is there already."""
    if not np.shares_memory(result._host, new._host):
        np.copyto(result._host, new._host)


class Graph:
    """What was captured."""

    def __init__(self, steps):
        self.steps = steps
        self.launches = 0

    def launch(self, stream=None):
        self.launches += 1
        for _, step in self.steps:
            step()

    def nodes(self):
        """How many nodes it has of each name; CuPy's reductions may have more than one."""
        return Counter(name for name, _ in self.steps if name)


@contextmanager
def capturing(cupy):
    """Inside, the stand-in `cupy` can capture; gives the graphs that were."""
    tape, graphs = Tape(), []

    class Stream(cupy.cuda.Stream):
        def __init__(self, null=False, non_blocking=False):
            self.can_be_captured = non_blocking

        def begin_capture(self):
            assert self.can_be_captured
            tape.steps = []

        def end_capture(self):
            graphs.append(Graph(tape.steps))
            tape.steps = None
            return graphs[-1]

        def is_capturing(self):
            return tape.steps is not None

        synchronize = tape.waiting(cupy.cuda.Stream.synchronize)

    default = Stream(null=True)
    with pytest.MonkeyPatch.context() as patch:
        for name in WAITING:
            patch.setattr(ndarray, name, tape.waiting(getattr(ndarray, name)))
        for name in IN_PLACE:
            patch.setattr(ndarray, name, tape.in_place(getattr(ndarray, name)))
        for name in PURE:
            patch.setattr(ndarray, name, tape.pure(name, getattr(ndarray, name)))
        for name, function in vars(cupy).copy().items():
            if name in CUBLAS or name == "asnumpy":
                patch.setattr(cupy, name, tape.waiting(function))
            elif name in ("array", "asarray"):
                patch.setattr(cupy, name, of_the_device(tape, function))
            elif callable(function) and not isinstance(function, type):
                patch.setattr(cupy, name, tape.pure(name, function))
        patch.setattr(ndarray, "__matmul__", tape.waiting(ndarray.__matmul__))
        launch = cuda_emulator.Kernel.__call__
        patch.setattr(cuda_emulator.Kernel, "__call__", tape.in_place(launch))
        patch.setattr(cupy.cuda, "Stream", Stream)
        patch.setattr(cupy.cuda, "get_current_stream", lambda device_id=-1: default)
        pool = lambda: SimpleNamespace(malloc=None)  # noqa: E731 - a class of one line
        patch.setattr(cupy.cuda, "MemoryPool", pool, raising=False)
        patch.setattr(cupy.cuda, "using_allocator", using_allocator, raising=False)
        yield graphs


@contextmanager
def using_allocator(allocator):
    yield


def of_the_device(tape, function):
    """`cupy.array` and `asarray`, which copy from the host as well, and that waits."""
    copied, waited = tape.pure(function.__name__, function), tape.waiting(function)

    def array(obj, *args, **options):
        return (copied if isinstance(obj, ndarray) else waited)(obj, *args, **options)

    return array


class Uncompiled(cuda_emulator.Kernel):
    """A kernel that can be captured, but not run."""

    def __init__(self, name):
        self.name = name


@contextmanager
def counting():
    """Inside, there is a GPU that captures kernels without compiling them; gives the graphs."""
    with standin(textbook=False) as cupy:
        cupy.RawModule = lambda **_: SimpleNamespace(get_function=Uncompiled)
        cuda_emulator.forget_kernels()
        try:
            with capturing(cupy) as graphs:
                yield cupy, graphs
        finally:
            cuda_emulator.forget_kernels()
