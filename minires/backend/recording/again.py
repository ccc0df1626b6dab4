"""How the result of a recorded call of NumPy is computed once more, into the same array.

Each function returns a call to be kept by `Recorder.note`. It is given the array y that is to be
written, and the function, arguments and named arguments whose result it was.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from ...errors import GraphError

Call: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


def with_out(y: Any, function: Any, arguments: Any, named: dict[str, Any]) -> Call:
    """Return the call of a ufunc that writes to y."""
    # By position it takes less time; two functions take it by name alone.
    if isinstance(function, np.ufunc) and not named and function not in (np.maximum, np.minimum):
        return function, (*arguments, y), {}
    return function, arguments, {**named, "out": y}


def copied(y: Any, function: Any, arguments: Any, named: dict[str, Any]) -> Call:
    """Return the call that copies the first argument to y."""
    return np.copyto, (y, arguments[0]), {"casting": "unsafe"}


def written(y: Any, function: Any, arguments: Any, named: dict[str, Any]) -> Call:
    """Return a call of the function and a copy of what it returns."""
    return write, (y, function, arguments, named), {}


def all_written(ys: Sequence[Any], function: Any, arguments: Any, named: dict[str, Any]) -> Call:
    """Return a call of the function and copies of the arrays that it returns."""
    return write_all, (ys, function, arguments, named), {}


def write(y: Any, function: Callable[..., Any], arguments: Any, named: dict[str, Any]) -> None:
    """Write what a function returns to y.

    Raises:
        GraphError: it has another shape or dtype, for these depend on numbers.
    """
    _write(y, function, function(*arguments, **named))


def write_all(
    ys: Sequence[Any], function: Callable[..., Any], arguments: Any, named: dict[str, Any]
) -> None:
    """Write the arrays that a function returns to ys; raise GraphError as `write` does."""
    for y, result in zip(ys, function(*arguments, **named), strict=True):
        _write(y, function, result)


def _write(y: Any, function: Callable[..., Any], result: Any) -> None:
    if (result.shape, result.dtype) != (y.shape, y.dtype):  # np.copyto would repeat or convert it
        raise GraphError(
            f"{function.__name__} returned an array of shape {y.shape} and {y.dtype} when the step "
            f"was recorded and returns {result.shape} and {result.dtype} now"
        )
    np.copyto(y, result)


def is_same(a: Any, b: Any) -> bool:
    """Return whether two arrays are the same elements of the same memory."""
    return (
        isinstance(a, np.ndarray)
        and isinstance(b, np.ndarray)
        and (a.shape, a.dtype, a.__array_interface__) == (b.shape, b.dtype, b.__array_interface__)
    )
