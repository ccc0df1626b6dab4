"""The keys of x[key]: checked, and copied so that backward uses what forward used."""

import operator
from typing import Any

import numpy as np

from ..backend import is_array, move, placed
from ..errors import DTypeError


def key_parts(key: Any, backend: str | None) -> tuple[Any, ...]:
    """Return the parts of a key: integers, booleans, slices, None, ..., and arrays of its own.

    A list, and whatever else NumPy can read, becomes an array, which is copied: a key that changes
    after forward must not move the gradient.

    Args:
        key: a part, or a tuple of parts.
        backend: where the arrays go that are made here; None for the default one.

    Raises:
        DTypeError: a part holds something else than integers or booleans.
    """
    return tuple(_part(part, backend) for part in (key if isinstance(key, tuple) else (key,)))


def _part(part: Any, backend: str | None) -> Any:
    if part is None or part is Ellipsis:
        return part
    if isinstance(part, bool | np.bool_):
        return bool(part)
    if isinstance(part, slice):
        return slice(*map(_bound, (part.start, part.stop, part.step)))
    if isinstance(part, int | np.integer):
        return int(part)
    array = part if is_array(part) else _read(part)
    if array.dtype.kind not in "iub":
        raise _error(part)
    array = array.copy()
    return move(array, backend) if backend and not is_array(part) else placed(array)


def _bound(bound: Any) -> int | None:
    try:
        return None if bound is None else operator.index(bound)
    except TypeError:
        raise _error(bound) from None


def _read(part: Any) -> Any:
    try:
        array = np.asarray(part)
    except Exception:  # its own `__array__` may raise anything
        raise _error(part) from None
    return array if array.size else array.astype(np.intp)  # an empty list is of floats to NumPy


def _error(part: Any) -> DTypeError:
    of = f" of {part.dtype}" if hasattr(part, "dtype") else ""
    return DTypeError(
        f"a key got {type(part).__name__}{of}; expected integers, slices, None, ..., and lists or "
        "arrays of integers or booleans"
    )
