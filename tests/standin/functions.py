"""The module that stands for `cupy`: its functions by name, each handed on to NumPy's."""

from types import ModuleType, SimpleNamespace

import numpy as np

from .arrays import checked, expect_apart, ndarray, pool, unwrap, wrap

UNARY = "negative absolute abs exp log sqrt square tanh sign floor isfinite isnan isinf logical_not"
BINARY = (
    "add subtract multiply divide true_divide power maximum minimum logaddexp "
    "equal not_equal less less_equal greater greater_equal logical_and logical_or"
)
# As CuPy has them; of what NumPy would take besides nothing is let in.
FUNCTIONS = {
    **dict.fromkeys(("sum", "mean", "prod"), "a axis dtype out keepdims"),
    **dict.fromkeys(("max", "min", "any", "all"), "a axis out keepdims"),
    **dict.fromkeys(("argmax", "argmin"), "a axis dtype out keepdims"),
    **dict.fromkeys(("std", "var"), "a axis dtype out ddof keepdims"),
    "where": "condition x y",
    "broadcast_to": "array shape",
    "pad": "array pad_width mode constant_values",
    "concatenate": "tup axis out",
    "stack": "tup axis out",
    "moveaxis": "a source destination",
    "expand_dims": "a axis",
    "flip": "a axis",
    "take": "a indices axis out",
    "matmul": "a b out",
    "tensordot": "a b axes",
    "dot": "a b out",
    "nan_to_num": "x copy nan posinf neginf",
    "count_nonzero": "a axis",
    "array_equal": "a1 a2",
}
CONSTANTS = (
    "bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 "
    "complex128 dtype finfo iinfo newaxis pi inf nan result_type generic integer floating"
)


def make_module():
    """A new module `cupy`."""
    module = ModuleType("cupy", "stands for CuPy; see tests/standin")
    module.__version__ = "14.2.0"
    module.ndarray = ndarray
    for name in CONSTANTS.split():
        setattr(module, name, getattr(np, name))
    for name, parameters in FUNCTIONS.items():
        setattr(module, name, checked(name, parameters, getattr(np, name)))
    for name in UNARY.split():
        setattr(module, name, ufunc(getattr(np, name), 1))
    for name in BINARY.split():
        setattr(module, name, ufunc(getattr(np, name), 2))
    for function in (
        *(array, asarray, ascontiguousarray, asnumpy, arange, copyto),
        *(empty, zeros, ones, full, empty_like, zeros_like, ones_like, full_like),
    ):
        setattr(module, function.__name__, function)
    module.linalg = SimpleNamespace(norm=checked("norm", "x ord axis keepdims", np.linalg.norm))
    tricks = np.lib.stride_tricks
    module.lib = SimpleNamespace(
        stride_tricks=SimpleNamespace(
            as_strided=checked("as_strided", "x shape strides", tricks.as_strided),
            sliding_window_view=checked(
                "sliding_window_view", "x window_shape axis", tricks.sliding_window_view
            ),
        )
    )
    module.cuda = _cuda()
    module.get_default_memory_pool = lambda: pool
    module.RawKernel = module.RawModule = module.ElementwiseKernel = module.ReductionKernel = Kernel
    return module


class ufunc:  # noqa: N801 - CuPy's name
    """A function of every element; only `add` can be applied `at` indices, to CuPy's types."""

    def __init__(self, function, nin):
        self.function = function
        self.nin = nin

    def __call__(self, *args, out=None, dtype=None, casting="same_kind"):
        *inputs, out = args if len(args) == self.nin + 1 else (*args, out)
        if len(inputs) != self.nin or not any(isinstance(a, ndarray) for a in inputs):
            raise TypeError(f"{self.function.__name__} wants {self.nin} inputs of the device")
        hosts, into = list(map(unwrap, inputs)), unwrap(out)
        if into is not None:
            expect_apart(into, *hosts)
        with np.errstate(all="ignore"):
            result = self.function(*hosts, out=into, dtype=dtype, casting=casting)
        return wrap(result) if out is None else out

    def at(self, a, indices, b=None):
        if self.function is not np.add:
            raise NotImplementedError(f"`{self.function.__name__}.at` is not supported yet")
        if a.dtype.char not in "iIQLefd":
            raise TypeError(f"scatter_add does not support {a.dtype}")
        parts = indices if isinstance(indices, tuple) else (indices,)
        a[parts]  # refuses what is no index
        hosts = tuple(part._host if isinstance(part, ndarray) else part for part in parts)
        np.add.at(a._host, hosts, unwrap(b))


class Kernel:
    """A kernel of one's own, which nothing here can run."""

    def __init__(self, *args, **options):
        raise RuntimeError("the stand-in for CuPy has no GPU to compile and run a kernel for")


# --- new arrays -------------------------------------------------------------------------------


def array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
    if isinstance(obj, ndarray):
        host = np.array(obj._host, dtype, copy=copy or None, order=order, ndmin=ndmin)
        return obj if host is obj._host else wrap(host)
    # From the host: always new memory, in C order unless it lies in Fortran's.
    host = np.asarray(_of_the_host(obj), dtype)
    fortran = host.flags.f_contiguous and not host.flags.c_contiguous
    return wrap(np.array(host, order="F" if fortran and order != "C" else "C", ndmin=ndmin))


def asarray(a, dtype=None, order=None, *, copy=None, blocking=False):
    return array(a, dtype, copy, order or "K")


def ascontiguousarray(a, dtype=None):
    return asarray(a, dtype, "C")


def asnumpy(a, stream=None, order="C", out=None, *, blocking=True):
    return a.get(stream, order, out) if isinstance(a, ndarray) else np.asarray(a)


def _of_the_host(obj):
    """What is on the host throughout; CuPy would copy a list of its arrays one by one."""
    if isinstance(obj, list | tuple):
        return [_of_the_host(part) for part in obj]
    if isinstance(obj, ndarray):
        raise TypeError("a list of arrays of the device; stack them")
    return obj


def empty(shape, dtype=float, order="C"):
    return ndarray(shape, dtype, order)


def full(shape, fill_value, dtype=None, order="C"):
    return wrap(np.full(shape, unwrap(fill_value), dtype, order))


def zeros(shape, dtype=float, order="C"):
    return full(shape, 0, dtype, order)


def ones(shape, dtype=float, order="C"):
    return full(shape, 1, dtype, order)


def full_like(a, fill_value, dtype=None, order="K", subok=None, shape=None):
    if not isinstance(a, ndarray):
        raise TypeError(f"Unsupported type {type(a)}")
    return wrap(np.full_like(a._host, unwrap(fill_value), dtype, order, shape=shape))


def zeros_like(a, dtype=None, order="K", subok=None, shape=None):
    return full_like(a, 0, dtype, order, subok, shape)


def ones_like(a, dtype=None, order="K", subok=None, shape=None):
    return full_like(a, 1, dtype, order, subok, shape)


def empty_like(prototype, dtype=None, order="K", subok=None, shape=None):
    kind = np.dtype(dtype or prototype.dtype).kind
    return full_like(prototype, np.nan if kind in "fc" else 1, dtype, order, subok, shape)


def arange(start, stop=None, step=1, dtype=None):
    bounds = (0, start) if stop is None else (start, stop)
    return wrap(np.arange(*bounds, step, dtype))


def copyto(dst, src, casting="same_kind", where=None):
    expect_apart(unwrap(dst), unwrap(src))
    np.copyto(unwrap(dst), unwrap(src), casting, where=True if where is None else unwrap(where))


# --- the device -------------------------------------------------------------------------------


class Stream:
    """An order of work; here everything is done at once."""

    def __init__(self, null=False, non_blocking=False, ptds=False, priority=None):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def synchronize(self):
        pass

    def is_capturing(self):
        return False


class CudaError(RuntimeError):
    """What CUDA refuses, with its number."""

    def __init__(self, said, status):
        super().__init__(said)
        self.status = status


def _cuda():
    stream = Stream()
    Stream.null = stream

    class Device:
        """The one device."""

        id, compute_capability = 0, "90"

        def __init__(self, device=None):
            pass

        def synchronize(self):
            pass

    return SimpleNamespace(
        runtime=SimpleNamespace(
            getDeviceCount=lambda: 1,
            memGetInfo=lambda: (80 << 30, 80 << 30),
            driverGetVersion=lambda: 12090,
            runtimeGetVersion=lambda: 12090,
            CUDARuntimeError=CudaError,
        ),
        driver=SimpleNamespace(CUDADriverError=CudaError),
        is_available=lambda: True,
        Device=Device,
        Stream=Stream,
        get_current_stream=lambda device_id=-1: stream,
    )
