"""Stands in for CuPy's capture of CUDA graphs: what runs is recorded, and refused where CUDA would.

While a stream captures, kernels and whatever writes into an array are not run; what makes a new
array is, on whatever garbage there is; both are put on the tape. A launch of the graph runs the
tape, each result in the memory that it had. What would wait for the GPU raises, and so does cuBLAS;
a launch on a stream that no event has made a part of the capture; and a race between those that are
(`cuda_streams.py`). A graph keeps no array alive: to launch it raises once one that was there
before, and that it uses, has been let go of. What is on the tape can be counted, by the name of the
kernel or of CuPy's function.
"""

import weakref
from collections import Counter
from contextlib import contextmanager
from functools import partial, wraps
from types import SimpleNamespace

import cuda_emulator
import numpy as np
import pytest
from cuda_streams import Order, constant_arguments
from standin import standin
from standin.arrays import METHODS, ndarray, pool, wrap

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
    """What one stream captures at a time: names and calls. No call keeps an array alive."""

    def __init__(self, default):
        self.streams = [default]  # the last one is the current one
        self.capturing = None  # the stream that does
        self.steps, self.uses, self.before = [], [], {}
        self.order = None

    def begin(self, stream):
        self.capturing, self.steps, self.uses = stream, [], []
        self.order = Order(stream)
        self.before = pool.arrays.copy()  # weak references; what comes later is the graph's own

    def end(self):
        order, self.capturing, self.order = self.order, None, None
        if not order.is_joined():
            raise CUDARuntimeError("cudaErrorStreamCaptureUnjoined: another stream still works")
        return Graph(self.steps, self.uses)

    def record(self, name, step, read, written):
        stream = self.streams[-1]
        if stream not in self.order.known:
            raise CUDARuntimeError(f"{name} is launched on another stream than that which captures")
        self.order.use(stream, name, read, written)
        self.steps.append((name, step, stream is self.capturing))
        for array in (*read, *written):
            owner = array if array.base is None else array.base
            if self.before.get(id(owner._host)) is owner:
                self.uses.append(weakref.ref(owner))

    def pure(self, name, function):
        @wraps(function)
        def run(*args, **options):
            stream, self.capturing = self.capturing, None  # what it calls is a part of it
            try:
                result = function(*args, **options)
            finally:
                self.capturing = stream
            if stream is None or not isinstance(result, ndarray) or is_view(result, args):
                return result
            self.order.made(self.streams[-1], result)
            if name not in UNWRITTEN:
                memory, call = result._host, held((args, options))
                again = lambda: copy(function, call, memory)  # noqa: E731 - of this call
                self.record(name, again, list(arrays_in((args, options))), [result])
            return result

        return run

    def in_place(self, name, function):
        @wraps(function)
        def run(array, *args):
            if self.capturing is None:
                return function(array, *args)
            call = held((array, *args))
            again = lambda: function(*of_the_device(call))  # noqa: E731 - of this call
            if isinstance(array, cuda_emulator.Kernel):
                used = array.reads_and_writes(args[-1])
                again.memory = held(used)  # that whose address is in a structure too
                self.record(array.name, again, *used)
            else:
                self.record(name, again, list(arrays_in(args)), [array])
            return array

        return run

    def waiting(self, function):
        @wraps(function)
        def run(*args, **options):
            if self.capturing is not None:
                raise CUDARuntimeError("cudaErrorStreamCaptureUnsupported: operation not permitted")
            return function(*args, **options)

        return run


class Memory:
    """That of an array, which does not keep the array alive."""

    def __init__(self, array):
        self.host = array._host


def held(value, of=ndarray, by=Memory):
    """`value` with the memory of each array in its place."""
    if isinstance(value, tuple | list):
        return type(value)(held(part, of, by) for part in value)
    if isinstance(value, dict):
        return {key: held(part, of, by) for key, part in value.items()}
    return by(value) if isinstance(value, of) else value


def of_the_device(value):
    """The same with arrays again."""
    return held(value, Memory, lambda memory: wrap(memory.host))


def arrays_in(value):
    """The arrays in tuples, lists and dictionaries."""
    if isinstance(value, ndarray):
        yield value
    elif isinstance(value, tuple | list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from arrays_in(part)


def is_view(result, args):
    """Whether a result lies in the memory of an argument."""
    arrays = arrays_in(args) if isinstance(result, ndarray) else ()
    return any(np.shares_memory(result._host, a._host) for a in arrays)


def copy(function, call, memory):
    """Call a function again, and write what it makes where its result was before."""
    args, options = of_the_device(call)
    np.copyto(memory, function(*args, **options)._host)


class Graph:
    """What was captured."""

    def __init__(self, steps, uses):
        self.steps = steps
        self.uses = uses
        self.launches = 0

    def launch(self, stream=None):
        assert all(use() is not None for use in self.uses), "a graph uses memory that was freed"
        self.launches += 1
        for _, step, _ in self.steps:
            step()

    def nodes(self, first=None):
        """How many nodes it has of each name; CuPy's reductions may have more than one.

        Args:
            first: only those on the stream that was captured, or only those on others.
        """
        return Counter(name for name, _, there in self.steps if first in (None, there))


@contextmanager
def capturing(cupy):
    """Inside, the stand-in `cupy` can capture; gives the graphs that were."""
    graphs = []

    class Stream(cupy.cuda.Stream):
        def __init__(self, null=False, non_blocking=False):
            self.can_be_captured = non_blocking

        def __enter__(self):
            tape.streams.append(self)
            return self

        def __exit__(self, *_):
            tape.streams.pop()

        def begin_capture(self):
            assert self.can_be_captured
            tape.begin(self)

        def end_capture(self):
            graphs.append(tape.end())
            return graphs[-1]

        def is_capturing(self):
            return tape.capturing is not None and self in tape.order.known

        def wait_event(self, event):
            if tape.capturing is None:
                return
            if event.order is not tape.order:
                raise CUDARuntimeError("cudaErrorStreamCaptureIsolation: an event from outside")
            for stream, number in event.known.items():
                now = tape.order.known[self]
                now[stream] = max(now[stream], number)

    class Event:
        """What a stream knew when it was recorded."""

        def __init__(self, block=False, disable_timing=False, interprocess=False):
            self.order, self.known = None, {}

        def record(self, stream):
            self.order = tape.order
            if tape.order is not None and stream in tape.order.known:
                self.known = dict(tape.order.known[stream])

    tape = Tape(Stream(null=True))
    Stream.synchronize = tape.waiting(cupy.cuda.Stream.synchronize)
    with pytest.MonkeyPatch.context() as patch:
        for name in WAITING:
            patch.setattr(ndarray, name, tape.waiting(getattr(ndarray, name)))
        for name in IN_PLACE:
            patch.setattr(ndarray, name, tape.in_place(name, getattr(ndarray, name)))
        for name in PURE:
            patch.setattr(ndarray, name, tape.pure(name, getattr(ndarray, name)))
        for name, function in vars(cupy).copy().items():
            if name in CUBLAS or name == "asnumpy":
                patch.setattr(cupy, name, tape.waiting(function))
            elif name in ("array", "asarray"):
                patch.setattr(cupy, name, of_a_device_array(tape, function))
            elif callable(function) and not isinstance(function, type):
                patch.setattr(cupy, name, tape.pure(name, function))
        patch.setattr(ndarray, "__matmul__", tape.waiting(ndarray.__matmul__))
        launch = cuda_emulator.Kernel.__call__
        patch.setattr(cuda_emulator.Kernel, "__call__", tape.in_place("kernel", launch))
        patch.setattr(cupy.cuda, "Stream", Stream)
        patch.setattr(cupy.cuda, "Event", Event, raising=False)
        patch.setattr(cupy.cuda, "get_current_stream", lambda device_id=-1: tape.streams[-1])
        memory_pool = lambda: SimpleNamespace(malloc=None)  # noqa: E731 - a class of one line
        patch.setattr(cupy.cuda, "MemoryPool", memory_pool, raising=False)
        patch.setattr(cupy.cuda, "using_allocator", using_allocator, raising=False)
        yield graphs


@contextmanager
def using_allocator(allocator):
    yield


def of_a_device_array(tape, function):
    """`cupy.array` and `asarray`, which copy from the host as well, and that waits."""
    copied, waited = tape.pure(function.__name__, function), tape.waiting(function)

    def array(obj, *args, **options):
        return (copied if isinstance(obj, ndarray) else waited)(obj, *args, **options)

    return array


class Uncompiled(cuda_emulator.Kernel):
    """A kernel that can be captured, but not run."""

    def __init__(self, code, name):
        self.name, self.constant = name, constant_arguments(code, name)


@contextmanager
def counting():
    """Inside, there is a GPU that captures kernels without compiling them; gives the graphs."""
    with standin(textbook=False) as cupy:
        cupy.RawModule = lambda code, **_: SimpleNamespace(get_function=partial(Uncompiled, code))
        cuda_emulator.forget_kernels()
        try:
            with capturing(cupy) as graphs:
                yield cupy, graphs
        finally:
            cuda_emulator.forget_kernels()
