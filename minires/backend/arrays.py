"""Which array library owns an array, and moving arrays from one to another.

An operation does not ask which device it runs on: it calls `array_module` on one of its
arrays and works with the module it gets.
"""

from numbers import Real
from typing import Any, TypeAlias

import numpy as np

from ..arguments import shown
from ..errors import DeviceError, DTypeError, ShapeError, UsageError
from ..pytorch import expect_no_device
from .library import BACKENDS, default, load
from .recording.array import Recorded, recorded_numpy, recorder

# A NumPy array to the type checker; a CuPy array has the same methods.
Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_NUMPY_TYPES = (np.ndarray, np.generic)
_DIFFERENTIABLE = frozenset(map(np.dtype, (np.float32, np.float64)))


def backend_name(array: Any) -> str:
    """Return the name of the library that owns `array`: "numpy" or "cupy".

    An object that stands for an array names its library in an attribute `backend`.
    """
    if isinstance(array, _NUMPY_TYPES):
        return "numpy"
    name: str | None = getattr(array, "backend", None)
    return name or _package(array)


def array_module(array: object) -> Any:
    """Return the module (`numpy` or `cupy`) whose functions work on `array`."""
    if isinstance(array, Recorded):  # in a step that is to be replayed
        return recorded_numpy
    return np if isinstance(array, _NUMPY_TYPES) else load(backend_name(array))


def is_array(value: object) -> bool:
    """Return whether `value` is an array of one of the backends (a NumPy scalar is not)."""
    return isinstance(value, np.ndarray) or _package(value) == "cupy"


def is_dense(a: Array) -> bool:
    """Return whether the elements lie in memory without gaps, in any order of dimensions."""
    inner = a.itemsize
    for stride, size in sorted(zip(a.strides, a.shape, strict=True)):
        if size > 1 and stride != inner:
            return False
        inner *= size
    return True


def is_captured(array: Array) -> bool:
    """Return whether what is computed with `array` now is to be replayed."""
    if recorder() is not None:
        return True
    on_a_gpu = backend_name(array) == "cupy"
    return on_a_gpu and bool(load("cupy").cuda.get_current_stream().is_capturing())


def move(array: Array, name: str) -> Array:
    """Return `array` on the backend `name`: itself if it is there, a copy otherwise.

    The elements of the copy lie in the same order: weights are made in one that kernels like.

    Raises:
        UsageError, DeviceError: as for `load`.
    """
    if backend_name(array) == name:
        return array
    xp = load(name)
    # To another device goes what lies in C order: the axes are sorted for that, and sorted back.
    axes = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
    host = to_numpy(array.transpose(axes))
    return (host if xp is np else xp.asarray(host)).transpose(np.argsort(axes).tolist())


def placed(array: Array) -> Array:
    """Return a NumPy array on the default backend, and any other array as it is; see `use`.

    Raises:
        DTypeError: a masked array.
    """
    return move(plain(array), default()) if isinstance(array, np.ndarray) else array


def plain(array: Any) -> Array:
    """Return an array of a subclass of NumPy's, such as np.matrix, or a scalar, as one of NumPy's
    own, and any other array as it is.

    Raises:
        DTypeError: a masked array, whose mask would be lost.
    """
    if isinstance(array, np.ma.MaskedArray):
        raise DTypeError("got a masked array; fill in what is masked first, with .filled(value)")
    its_own = isinstance(array, Recorded) or not isinstance(array, _NUMPY_TYPES)
    return array if its_own else np.asarray(array)


def expect_real(dtype: np.dtype[Any]) -> None:
    """Raise DTypeError unless arrays of this type hold real numbers or booleans."""
    if dtype.kind not in "fiub":
        raise DTypeError(f"a tensor holds numbers, real ones, got {dtype}")


def converted(array: Array, dtype: Any, copy: bool = False) -> Array:
    """Return an array in another type, in which what is too small for it is 0, without a word.

    Raises:
        DTypeError: it holds something else than real numbers.
    """
    expect_real(array.dtype)
    with np.errstate(under="ignore"):
        return array.astype(dtype, copy=copy)


def expect_differentiable(dtype: np.dtype[Any]) -> None:
    """Raise DTypeError if tensors of this type have no gradients."""
    if dtype not in _DIFFERENTIABLE:
        raise DTypeError(f"only float32 and float64 tensors have gradients, got {dtype}")


def real_numbers(value: Any) -> Array:
    """Return a number, a nested list or what NumPy can read as an array of NumPy's.

    Raises:
        DTypeError, ShapeError: it holds something else than real numbers, or lists of two lengths.
    """
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ShapeError(f"lists have two lengths: {error}") from error
    except Exception as error:  # its own `__array__` may raise anything
        raise DTypeError(f"{type(value).__name__} is no array of numbers: {error}") from error
    if array.dtype.kind == "O" and isinstance(value, Real):  # an integer above 2^64, a fraction
        array = np.asarray(float(value))
    expect_real(array.dtype)
    return array


def destination(
    *targets: Any, dtype: Any = None, backend: str | None = None
) -> tuple[np.dtype[Any] | None, str | None]:
    """Return the dtype and the backend that `to(*targets, dtype=..., backend=...)` asks for.

    Args:
        targets: backends' names or dtypes.
        dtype, backend: the same by name.

    Raises:
        UsageError: nothing is asked for, two of a kind, or what is neither a backend nor a dtype.
        DeviceError: the backend cannot be used.
    """
    for target in targets:
        expect_no_device(target)
    expected = f"expected a backend ({', '.join(BACKENDS)}) or a dtype"
    if backend is not None and not isinstance(backend, str):
        raise UsageError(f"to() got the backend {shown(backend)}; {expected}")
    named = [t for t in targets if isinstance(t, str) and t in BACKENDS]
    types = [t for t in targets if t is not None and not (isinstance(t, str) and t in BACKENDS)]
    named += [] if backend is None else [backend]
    types += [] if dtype is None else [dtype]
    if len(named) > 1 or len(types) > 1 or not (named or types):
        given = ", ".join(map(shown, named + types)) or "nothing"
        raise UsageError(f"to() got {given}; {expected}, or one of each")
    name = named[0] if named else None
    if name is not None:
        load(name)
    try:
        return np.dtype(*types) if types else None, name
    except (TypeError, ValueError, SyntaxError):  # as NumPy raises of what text and lists
        raise UsageError(f"to() got {shown(types[0])}; {expected}") from None


def single(array: Array) -> float:
    """Return the only element of an array as a Python number; raise ShapeError for several."""
    if array.size != 1:
        raise ShapeError(f"item() needs a tensor of one element, got shape {array.shape}")
    return array.item()


def to_numpy(array: Any) -> Array:
    """Return `array` as a NumPy array: itself if it is one, a copy from the device otherwise."""
    return array if isinstance(array, np.ndarray) else np.asarray(array.get())


def expect_same_backend(what: str, **arrays: object) -> None:
    """Raise DeviceError, with the names of `arrays`, if they are on two backends."""
    if len(set(map(backend_name, arrays.values()))) > 1:
        given = " and ".join(f"{name} on {backend_name(a)}" for name, a in arrays.items())
        raise DeviceError(f"{what} got {given}; move them to one backend first")


def _package(value: object) -> str:
    return type(value).__module__.split(".")[0]
