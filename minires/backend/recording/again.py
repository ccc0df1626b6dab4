"""How the result of a recorded call of NumPy is computed once more, into the same array.

Each function returns a call to be kept by `Recorder.note`. It is given the array y that is to be
written, or all arrays ys, and the function, arguments and named arguments whose result it was.
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


def written(ys: Sequence[Any], function: Any, arguments: Any, named: dict[str, Any]) -> Call:
    """Return a call of the function and copies of what it returns to the arrays ys."""
    return write, (ys, function, arguments, named), {}


def write(
    ys: Sequence[Any], function: Callable[..., Any], arguments: Any, named: dict[str, Any]
) -> None:
    """Write the array, or the arrays, that a function returns to ys.

    Raises:
        GraphError: one has another shape or dtype, for these depend on numbers.
    """
    result = function(*arguments, **named)
    for y, part in zip(ys, result if isinstance(result, tuple | list) else (result,), strict=True):
        if (part.shape, part.dtype) != (y.shape, y.dtype):  # np.copyto would repeat or convert it
            raise GraphError(
                f"{function.__name__} returned an array of shape {y.shape} and {y.dtype} when the "
                f"step was recorded and returns {part.shape} and {part.dtype} now"
            )
        np.copyto(y, part)


def is_same(a: Any, b: Any) -> bool:
    """Return whether two arrays are the same elements of the same memory."""
    return (
        isinstance(a, np.ndarray)
        and isinstance(b, np.ndarray)
        and (a.shape, a.dtype, a.__array_interface__) == (b.shape, b.dtype, b.__array_interface__)
    )
