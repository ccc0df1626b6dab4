"""NumPy arrays whose calls are kept, so that they can be made again.

A call of NumPy takes about as long as to add arrays of a few thousand numbers, and the Python that
decides on it takes longer. While a `Recorder` is at work, arrays are of a subclass of NumPy's that
sees each call and has it kept, with the memory that it reads and writes. A replay makes just these
calls again, in that memory.

A call is seen if one of its arrays is recorded. So new arrays come from the recorder, in kernels by
`memory.empty`, elsewhere by `array_module`, and what lies elsewhere, such as a parameter, is given
to it by `recorded`. A record has no branches: what decides by a number says so by `repeated`.
"""

import threading
from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

import numpy as np

from ..errors import GraphError

Call: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class _Here(threading.local):
    recorder: Any = None


_here = _Here()


def recorder() -> Any:
    """Return the `Recorder` at work in this thread, or None."""
    return _here.recorder


def set_recorder(recorder: Any) -> None:
    """Let a `Recorder` keep the calls of this thread, or None keep them no longer."""
    _here.recorder = recorder


def recorded(array: Any) -> Any:
    """Return an array as one whose calls are kept, while there is a recorder."""
    if _here.recorder is None or not isinstance(array, np.ndarray):
        return array
    return array.view(Recorded)


def repeated(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return function(*arguments); a replay calls it too, and it must return the same again.

    For what decides by numbers, and what raises errors for them.
    """
    if _here.recorder is None:
        return function(*arguments)
    return _here.recorder.repeated(function, *arguments)


def unrecorded(value: Any) -> Any:
    """Return a recorded array, and those in tuples, lists and dicts, as arrays of NumPy's."""
    if isinstance(value, Recorded):
        return value.view(np.ndarray)
    if isinstance(value, tuple | list):
        return type(value)([unrecorded(part) for part in value])
    if isinstance(value, dict):
        return {name: unrecorded(part) for name, part in value.items()}
    return value


class Recorded(np.ndarray[Any, Any]):
    """An array whose calls the recorder of this thread keeps; without one, like any other.

    Raises:
        GraphError: there is a recorder, and a number of the array is asked for.
    """

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = (), **named: Any
    ) -> Any:
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        if method == "at":
            return _in_place(inputs[0], function, inputs, named)
        if not out:
            return _computed(function, inputs, named, _with_out)
        return _in_place(out[0], *_with_out(out[0], function, inputs, named))

    def __array_function__(self, function: Any, types: Any, arguments: Any, named: Any) -> Any:
        if function is np.copyto:
            return _in_place(arguments[0], function, arguments, named)
        if named.get("out") is not None:
            return _in_place(named["out"], function, arguments, named)
        return _computed(function, arguments, named)

    def __getitem__(self, key: Any) -> Any:
        y = unrecorded(self)[unrecorded(key)]
        if isinstance(y, np.generic):
            key = (*key, ...) if isinstance(key, tuple) else (key, ...)
        return _computed(np.ndarray.__getitem__, (self, key), {})

    def __setitem__(self, key: Any, value: Any) -> None:
        part = unrecorded(self)[unrecorded(key)]
        if _is_same(part, unrecorded(value)):  # a[i] += b assigns what it has written already
            return
        if isinstance(part, np.ndarray) and np.may_share_memory(part, self):
            _in_place(self, np.ndarray.__setitem__, (part, ..., value), {})
        else:
            _in_place(self, np.ndarray.__setitem__, (self, key, value), {})

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def copy(self, order: Any = "C") -> Any:
        """Return a copy."""
        return _computed(np.ndarray.copy, (self, order), {}, _copied)

    def astype(self, *arguments: Any, **named: Any) -> Any:
        """Return it in another type."""
        return _computed(np.ndarray.astype, (self, *arguments), named, _copied)

    def fill(self, value: Any) -> None:
        """Write one number everywhere."""
        self[...] = value

    def _number(self, *_: Any) -> NoReturn:
        raise GraphError(
            "the step looks at a number that it has computed, and a record of its calls cannot "
            "take one way or another; leave out the record, or look at the number after the step"
        )


def _method(name: str) -> Callable[..., Any]:
    function = getattr(np.ndarray, name)

    def method(*arguments: Any, **named: Any) -> Any:
        return _computed(function, arguments, named)

    return method


def _looking(name: str) -> Callable[..., Any]:
    function = getattr(np.ndarray, name)

    def method(self: Recorded, *arguments: Any) -> Any:
        return self._number() if _here.recorder else function(unrecorded(self), *arguments)

    return method


for _name in ("argmax", "argmin", "argsort", "choose", "compress", "cumprod"):
    setattr(Recorded, _name, _method(_name))
for _name in (
    "cumsum",
    "diagonal",
    "dot",
    "flatten",
    "ravel",
    "repeat",
    "reshape",
    "round",
    "take",
):
    setattr(Recorded, _name, _method(_name))
for _name in ("__bool__", "__complex__", "__float__", "__index__", "__int__", "item", "tobytes"):
    setattr(Recorded, _name, _looking(_name))
for _name in ("nonzero", "partition", "put", "resize", "searchsorted", "sort", "tolist"):
    setattr(Recorded, _name, _looking(_name))


def _computed(
    function: Callable[..., Any], arguments: Any, named: dict[str, Any], again: Any = None
) -> Any:
    """Return what a function returns: a view of an argument, or what the recorder is to keep.

    Args:
        function, arguments, named: the call.
        again: given the result and these three, returns the call that writes the result again.
    """
    here = _here.recorder
    result = function(*unrecorded(arguments), **unrecorded(named))
    if here is None or not isinstance(result, np.ndarray | np.generic):
        return result
    if isinstance(result, np.ndarray) and any(
        np.may_share_memory(result, a) for a in arguments if isinstance(a, np.ndarray)
    ):
        return result.view(Recorded)
    y = here.like(result)
    here.note(*(again or _written)(y, function, arguments, named))
    return y


def _in_place(
    written: Any, function: Callable[..., Any], arguments: Any, named: dict[str, Any]
) -> Any:
    """Call a function that writes to an array, and return that."""
    here = _here.recorder
    if here is not None:
        here.writes(written)
        here.note(function, arguments, named)
    function(*unrecorded(arguments), **unrecorded(named))
    return written


class _Module:
    """NumPy, whose new arrays are recorded."""

    def __getattr__(self, name: str) -> Any:
        function = getattr(np, name)
        if name not in _MAKING:
            return function
        return lambda *arguments, **named: _computed(function, arguments, named)


_MAKING = frozenset(("arange", "array", "asarray", "empty", "full", "linspace", "ones", "zeros"))
recorded_numpy = _Module()


def _with_out(y: Any, function: Any, arguments: Any, named: dict[str, Any]) -> Call:
    """Return the call of a ufunc that writes to y."""
    # By position it takes less time; two functions take it by name alone.
    if isinstance(function, np.ufunc) and not named and function not in (np.maximum, np.minimum):
        return function, (*arguments, y), {}
    return function, arguments, {**named, "out": y}


def _copied(y: Any, function: Any, arguments: Any, named: dict[str, Any]) -> Call:
    """Return the call that copies the first argument to y."""
    return np.copyto, (y, arguments[0]), {"casting": "unsafe"}


def _written(y: Any, function: Any, arguments: Any, named: dict[str, Any]) -> Call:
    """Return a call of the function and a copy of what it returns."""
    return _write, (y, function, arguments, named), {}


def _write(y: Any, function: Callable[..., Any], arguments: Any, named: dict[str, Any]) -> None:
    np.copyto(y, function(*arguments, **named))


def _is_same(a: Any, b: Any) -> bool:
    """Return whether two arrays are the same elements of the same memory."""
    return (
        isinstance(a, np.ndarray)
        and isinstance(b, np.ndarray)
        and (a.shape, a.dtype, a.__array_interface__) == (b.shape, b.dtype, b.__array_interface__)
    )
