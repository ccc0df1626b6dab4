"""Which array library owns an array, and the generator every random number comes from.

An operation never asks which device it is on: it calls `array_module` on one of its
arrays and works with what it gets. This file alone imports CuPy, and only on request.
"""

import functools
import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeAlias

import numpy as np
from threadpoolctl import threadpool_limits

from .errors import DeviceError, UsageError

# A NumPy array to the type checker; a CuPy array has the same methods.
Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

BACKENDS = ("numpy", "cupy")

_NUMPYS = (np.ndarray, np.generic)

_default: str | None = None  # None: nobody has asked for it yet, see `default`

_generator = np.random.default_rng(0)


class Promise:
    """An array that is computed when somebody first looks at it.

    What can take a promise in may use what it was promised from instead, so that an array
    that only passes from one operation to the next is never written to memory.

    Attributes:
        shape, dtype: the array's; backend: the name of the library that will own it.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    backend: str
    _kept: Array | None = None

    def compute(self) -> Array:
        """The array."""
        raise NotImplementedError

    def array(self) -> Array:
        """The array, computed once."""
        if self._kept is None:
            self._kept = self.compute()
        return self._kept

    def keep(self, array: Array) -> None:
        """Remember the array, which somebody had to compute."""
        self._kept = array

    @property
    def is_kept(self) -> bool:
        """Whether the array is there already."""
        return self._kept is not None


def settled(value: Any) -> Any:
    """The array that was promised; anything else as it is."""
    return value.array() if isinstance(value, Promise) else value


def backend_name(array: object) -> str:
    """The name of the library that owns `array`: "numpy" or "cupy"."""
    if isinstance(array, _NUMPYS):
        return "numpy"
    return array.backend if isinstance(array, Promise) else type(array).__module__.split(".")[0]


def array_module(array: object) -> Any:
    """The module (`numpy` or `cupy`) whose functions work on `array`."""
    return np if isinstance(array, _NUMPYS) else load(backend_name(array))


def is_array(value: object) -> bool:
    """Whether `value` is an array of one of the backends (a NumPy scalar is not)."""
    return isinstance(value, np.ndarray) or backend_name(value) == "cupy"


class use:  # noqa: N801 - it is called as a function, and can be left again
    """Make `name` the backend of everything new, in the whole process.

        minires.backend.use("cupy")          # from here on
        with minires.backend.use("cupy"):    # or in here alone

    Numbers, lists and NumPy arrays that become tensors, and with them the weights of new nets,
    are then arrays of this backend; CuPy's arrays, and tensors that are there already, stay
    where they are. Without it the default is that of MINIRES_BACKEND in the environment, or numpy.

    Raises:
        UsageError, DeviceError: as for `load`.
    """

    def __init__(self, name: str) -> None:
        global _default
        load(name)
        self._before, _default = _default, name

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        global _default
        _default = self._before


def default() -> str:
    """The name of the backend of everything new; see `use`.

    Raises:
        UsageError, DeviceError: as for `load`, of what MINIRES_BACKEND asks for.
    """
    global _default
    if _default is None:
        name = os.environ.get("MINIRES_BACKEND") or "numpy"
        try:
            load(name)
        except (UsageError, DeviceError) as error:
            raise type(error)(f"MINIRES_BACKEND={name} in the environment: {error}") from error
        _default = name
    return _default


@functools.cache  # a success, that is: what raised is tried again
def load(name: str) -> Any:
    """Import the array library `name`, or say why it cannot be used.

    Raises:
        UsageError: `name` is not one of `BACKENDS`.
        DeviceError: CuPy is not installed, has no GPU to work on, or not what it needs to.
    """
    if name == "numpy":
        return np
    if name != "cupy":
        raise UsageError(f"backend {name!r} is not known; there are: {', '.join(BACKENDS)}")
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise DeviceError(
            f"the cupy backend needs CuPy, which cannot be imported ({_last_line(error)}); "
            "install cupy-cuda12x or cupy-cuda13x, whichever CUDA your driver supports, "
            "or use the numpy backend"
        ) from error
    try:
        _try_out(cupy)
    except DeviceError:
        raise
    except Exception as error:  # CuPy's own error classes live inside the module that may be broken
        raise DeviceError(
            f"CuPy {cupy.__version__} is installed but finds no usable GPU ({_last_line(error)}); "
            "check the driver with `nvidia-smi`, or use the numpy backend"
        ) from error
    return cupy


def _try_out(cupy: Any) -> None:
    """Refuse a CuPy that cannot compute, and say what it lacks; raises CuPy's errors too."""
    runtime = cupy.cuda.runtime
    driver, built_for = runtime.driverGetVersion(), runtime.runtimeGetVersion()
    if driver == 0:
        raise DeviceError(
            f"CuPy {cupy.__version__} is installed, but there is no NVIDIA driver; install one, "
            "or use the numpy backend"
        )
    if driver // 1000 < built_for // 1000:  # within 12.x or 13.x any driver will do
        raise DeviceError(
            f"CuPy {cupy.__version__} is built for CUDA {_cuda(built_for)}, but the driver knows "
            f"CUDA {_cuda(driver)} at most; install the CuPy of that CUDA "
            f"(cupy-cuda{driver // 1000}x) or a newer driver, or use the numpy backend"
        )
    runtime.getDeviceCount()
    try:
        one = cupy.ones(1)
        float((one + one)[0])  # the first kernel: CuPy compiles them as they are needed
    except Exception as error:
        raise DeviceError(
            f"CuPy {cupy.__version__} finds a GPU but cannot compute on it ({_last_line(error)}); "
            "its kernels are compiled by CUDA's NVRTC, which must be of its CUDA, "
            f"{_cuda(built_for)}: "
            f'pip install "cupy-cuda{built_for // 1000}x[ctk]" brings it; '
            "or use the numpy backend"
        ) from error


def _cuda(version: int) -> str:
    """12040 -> 12.4."""
    return f"{version // 1000}.{version % 1000 // 10}"


def _last_line(error: Exception) -> str:
    """What an error says, of which CuPy's banners have the reason in the last line."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line for line in reversed(lines) if line.strip("=")), type(error).__name__)


def move(array: Array, name: str) -> Array:
    """`array` on the backend `name`: itself if it is there, a copy otherwise.

    Raises:
        UsageError, DeviceError: as for `load`.
    """
    if backend_name(array) == name:
        return array
    xp = load(name)
    return to_numpy(array) if xp is np else xp.asarray(to_numpy(array))


def placed(array: Array) -> Array:
    """`array` itself, but on the default backend if it is one of the host's; see `use`."""
    return move(array, default()) if isinstance(array, np.ndarray) else array


def expect_same_backend(what: str, **arrays: object) -> None:
    """Refuse arrays of two backends in one operation, by their names."""
    if len(set(map(backend_name, arrays.values()))) > 1:
        given = " and ".join(f"{name} on {backend_name(a)}" for name, a in arrays.items())
        raise DeviceError(f"{what} got {given}; move them to one backend first")


def to_numpy(array: Any) -> Array:
    """`array` as a NumPy array: itself if it is one, a copy from the device otherwise."""
    return array if isinstance(array, np.ndarray) else np.asarray(array.get())


@contextmanager
def blas_threads(n: int) -> Iterator[None]:
    """Inside, NumPy's matrix products use `n` threads; afterwards as many as before."""
    with threadpool_limits(limits=n, user_api="blas"):
        yield


def manual_seed(seed: int) -> None:
    """Start the generator of initial weights afresh, so that the next model is repeatable."""
    global _generator
    _generator = np.random.default_rng(seed)


def generator() -> np.random.Generator:
    """The generator of initial weights: always NumPy's, so that every backend starts alike."""
    return _generator
