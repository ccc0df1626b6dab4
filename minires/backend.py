"""Which array library owns an array, and the generator every random number comes from.

An operation never asks which device it is on: it calls `array_module` on one of its
arrays and works with what it gets. This file alone imports CuPy, and only on request.
"""

import functools
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
from threadpoolctl import threadpool_limits

from .errors import DeviceError, UsageError

# A NumPy array to the type checker; a CuPy array has the same methods.
Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

BACKENDS = ("numpy", "cupy")

_NUMPYS = (np.ndarray, np.generic)

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


@functools.cache  # a success, that is: what raised is tried again
def load(name: str) -> Any:
    """Import the array library `name`, or say why it cannot be used.

    Raises:
        UsageError: `name` is not one of `BACKENDS`.
        DeviceError: CuPy is not installed, or has no GPU to work on.
    """
    if name == "numpy":
        return np
    if name != "cupy":
        raise UsageError(f"backend {name!r} is not known; there are: {', '.join(BACKENDS)}")
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise DeviceError(
            f"the cupy backend needs CuPy, which cannot be imported ({error}); "
            "install cupy-cuda12x or cupy-cuda13x, whichever CUDA your driver supports, "
            "or use the numpy backend"
        ) from error
    try:
        cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # CuPy's own error class lives inside the module that may be broken
        raise DeviceError(
            f"CuPy {cupy.__version__} is installed but finds no usable GPU ({error}); "
            "check the driver with `nvidia-smi`, or use the numpy backend"
        ) from error
    return cupy


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
