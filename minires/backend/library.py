"""Loading the array library of a backend; the backend of new arrays.

This file alone imports CuPy, and only on request.
"""

import functools
import importlib
import os
from types import TracebackType
from typing import Any

import numpy as np

from ..arguments import shown
from ..errors import DeviceError, UsageError

BACKENDS = ("numpy", "cupy")

_TAKEN = (2, 46)  # CUDA's numbers: no memory for this process, or the GPU is another one's alone

_default: str | None = None  # None until it is first asked for, see `default`


class use:  # noqa: N801 - it is called as a function, and can be left again
    """Make `name` the backend of new arrays, in the whole process.

        minires.backend.use("cupy")          # from here on
        with minires.backend.use("cupy"):    # or in here alone

    Numbers, lists and NumPy arrays that become tensors, and so the weights of new models, are
    then arrays of this backend. CuPy arrays and existing tensors stay where they are. The default
    is MINIRES_BACKEND of the environment, or numpy.

    Raises:
        UsageError, DeviceError: as for `load`.
    """

    def __init__(self, name: str) -> None:
        global _default
        load(name if isinstance(name, str) else shown(name))
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
    """Return the name of the backend of new arrays; see `use`.

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


@functools.cache  # successes only: what raised is tried again
def load(name: str) -> Any:
    """Return the array library `name`, imported and tried out.

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
        if _is_taken(cupy, error):
            raise DeviceError(
                f"the GPU is taken by other processes ({_last_line(error)}), which `nvidia-smi` "
                "lists; wait for them, choose another GPU by CUDA_VISIBLE_DEVICES, or use the "
                "numpy backend"
            ) from error
        raise DeviceError(
            f"CuPy {cupy.__version__} is installed but finds no usable GPU ({_last_line(error)}); "
            "check the driver with `nvidia-smi`, or use the numpy backend"
        ) from error
    return cupy


def _try_out(cupy: Any) -> None:
    """Raise DeviceError, or an error of CuPy's own, if CuPy cannot compute here."""
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
    if capability(cupy) < 7:
        raise DeviceError(
            f"this GPU has compute capability {capability(cupy)}, and minires' kernels need 7.0 or "
            "more (Volta, 2017); take a newer one, or use the numpy backend"
        )
    try:
        one = cupy.ones(1)
        float((one + one)[0])  # the first kernel: CuPy compiles them as they are needed
    except Exception as error:
        if _is_taken(cupy, error):
            raise
        raise DeviceError(
            f"CuPy {cupy.__version__} finds a GPU but cannot compute on it ({_last_line(error)}); "
            "its kernels are compiled by CUDA's NVRTC, which must be of its CUDA, "
            f"{_cuda(built_for)}: "
            f'pip install "cupy-cuda{built_for // 1000}x[ctk]" brings it; '
            "or use the numpy backend"
        ) from error


def capability(cupy: Any) -> float:
    """Return the compute capability of the GPU, such as 9.0."""
    return int(cupy.cuda.Device().compute_capability) / 10


def expect_tf32() -> None:
    """Raise DeviceError unless the GPU can compute in TF32."""
    found = capability(load("cupy"))
    if found < 8:
        raise DeviceError(
            "TF32 needs a GPU of compute capability 8.0 or more (Ampere, 2020), and this one has "
            f"{found}; compute without tf32"
        )


def _is_taken(cupy: Any, error: Exception) -> bool:
    """Return whether an error says that other processes use the GPU, or all of its memory."""
    of_cuda = (cupy.cuda.runtime.CUDARuntimeError, cupy.cuda.driver.CUDADriverError)
    return isinstance(error, MemoryError) or (isinstance(error, of_cuda) and error.status in _TAKEN)


def _cuda(version: int) -> str:
    """12040 -> 12.4."""
    return f"{version // 1000}.{version % 1000 // 10}"


def _last_line(error: Exception) -> str:
    """Return the last line of an error: CuPy's banners give the reason there."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line for line in reversed(lines) if line.strip("=")), type(error).__name__)
