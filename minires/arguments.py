"""Check single arguments: integers, numbers, switches; an error names what was given."""

import math
import os
from collections.abc import Iterable
from numbers import Real
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from .errors import UsageError

Pair = tuple[int, int]

LARGEST = 2**31 - 1  # of sizes, and of what kernels of a GPU count with
_SHOWN = 80  # characters of a value in a message
# Made once, and the likely first, an abstract class last: each operation asks several times.
_INTEGERS = (int, np.integer)
_NUMBERS = (float, int, Real)
_FLAGS = (bool, np.bool_, *_INTEGERS)


def integer(value: Any, name: str, at_least: int = -LARGEST, at_most: int = LARGEST) -> int:
    """Return an integer, Python's or NumPy's, as Python's.

    Raises:
        UsageError: it is none, or out of range; True and False are no integers.
    """
    if is_integer(value) and at_least <= value <= at_most:
        return int(value)
    too_large = is_integer(value) and value > at_most
    bounds = [f"at least {at_least}"] if at_least > -LARGEST else []
    bounds += [f"at most {at_most}"] if at_most < LARGEST or not bounds or too_large else []
    span = " and ".join(bounds)
    expected = span if is_integer(value) else f"an integer of {span}"
    raise UsageError(f"{name} must be {expected}, got {shown(value)}")


def pair(value: int | Pair, name: str, at_least: int) -> Pair:
    """Return `value` as (vertical, horizontal); one integer counts for both.

    Raises:
        UsageError: it is neither one nor two integers, or they are out of range.
    """
    both = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(both) != 2 or not all(is_integer(n) and at_least <= n <= LARGEST for n in both):
        raise UsageError(
            f"{name} must be one or two integers of at least {at_least}, got {shown(value)}"
        )
    return int(both[0]), int(both[1])


def real(value: Any, name: str, at_least: float = -math.inf, at_most: float = math.inf) -> float:
    """Return a number as Python's float; NaN only where there is no range.

    Raises:
        UsageError: it is none, or out of range; True and False are no numbers.
    """
    free = at_least == -math.inf and at_most == math.inf
    number = isinstance(value, _NUMBERS) and not isinstance(value, bool)
    if number and (free or at_least <= value <= at_most):
        return float(value)
    high = f"at least {at_least}" if at_most == math.inf else f"between {at_least} and {at_most}"
    raise UsageError(f"{name} must be {'a number' if free else high}, got {shown(value)}")


def above_zero(value: Any, name: str) -> float:
    """Return a finite number above 0 as Python's float.

    Raises:
        UsageError: it is none.
    """
    number = isinstance(value, _NUMBERS) and not isinstance(value, bool)
    if number and 0 < value < math.inf:
        return float(value)
    raise UsageError(f"{name} must be a number above 0, got {shown(value)}")


def flag(value: Any, name: str) -> bool:
    """Return True or False.

    Raises:
        UsageError: it is neither, nor 1 or 0.
    """
    if isinstance(value, _FLAGS) and value in (0, 1):
        return bool(value)
    raise UsageError(f"{name} must be True or False, got {shown(value)}")


def several(value: Any, name: str) -> tuple[Any, ...]:
    """Return what can be gone through as a tuple.

    Raises:
        UsageError: it cannot.
    """
    try:
        return tuple(value)
    except TypeError:
        raise UsageError(f"{name} must be a list, got {shown(value)}") from None


def function(value: Any, name: str) -> Any:
    """Return what can be called.

    Raises:
        UsageError: it cannot.
    """
    if not callable(value):
        raise UsageError(f"{name} must be a function, got {shown(value)}")
    return value


def path(value: Any, name: str) -> Path:
    """Return a path, given as text or as a path.

    Raises:
        UsageError: it is neither.
    """
    if not isinstance(value, str | os.PathLike):
        raise UsageError(f"{name} must be a path, got {shown(value)}")
    return Path(value)


def is_one_of(value: Any, choices: Iterable[str]) -> bool:
    """Return whether this is one of these texts; an array is not asked whether it equals one."""
    return isinstance(value, str) and value in choices


def is_integer(value: Any) -> TypeGuard[int]:
    """Return whether this is an integer, Python's or NumPy's, and neither True nor False."""
    return isinstance(value, _INTEGERS) and not isinstance(value, bool)


def shown(value: Any) -> str:
    """Return a value for a message: what an array is instead of its elements, no long text."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{type(value).__name__} of shape {value.shape} and type {value.dtype}"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
