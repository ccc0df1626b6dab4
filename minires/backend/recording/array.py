"""NumPy arrays whose calls are kept, so that they can be made again.

A call of NumPy takes about as long as to add arrays of a few thousand numbers, and the Python that
decides on it takes longer. While a `Recorder` is at work, arrays are of a subclass of NumPy's that
sees each call and has it kept, with the memory that it reads and writes. A replay makes just these
calls again, in that memory.

A call is seen if one of its arrays is recorded. So new arrays come from the recorder, in kernels by
`memory.empty`, elsewhere by `array_module`, and what lies elsewhere, such as a parameter, is given
to it by `recorded`. A record has no branches: what decides by a number says so by `guarded`.
"""

import threading
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from ...errors import GraphError
from .again import copied, is_same, with_out, written
from .functions import BINARY, LOOKING, MAKING, METHODS, SHAPES, WRITING


class _Current(threading.local):
    recorder: Any = None


_current = _Current()


def recorder() -> Any:
    """Return the `Recorder` at work in this thread, or None."""
    return _current.recorder


def set_recorder(recorder: Any) -> None:
    """Let a `Recorder` keep the calls of this thread, or None keep them no longer."""
    _current.recorder = recorder


def recorded(array: Any) -> Any:
    """Return an array as one whose calls are kept, while there is a recorder."""
    if _current.recorder is None or not isinstance(array, np.ndarray):
        return array
    return array.view(Recorded)


def guarded(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return function(*arguments), and guard replays by it: there it must return the same again.

    For what decides by numbers, and what raises errors for them.
    """
    if _current.recorder is None:
        return function(*arguments)
    return _current.recorder.guarded(function, *arguments)


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
        if ufunc.nout > 1 and method == "__call__":
            ys = _computed(function, inputs, named)
            return tuple(map(_assigned, out or [None] * len(ys), ys))
        if not out:
            return _computed(function, inputs, named, with_out)
        return _in_place(out[0], *with_out(out[0], function, inputs, named))

    def __array_function__(self, function: Any, types: Any, arguments: Any, named: Any) -> Any:
        if function in WRITING and arguments:
            return _in_place(arguments[0], function, arguments, named)
        return _computed_or_in_place(function, arguments, named)

    def __getitem__(self, key: Any) -> Any:
        y = unrecorded(self)[unrecorded(key)]
        if not isinstance(y, np.generic):
            return _computed(np.ndarray.__getitem__, (self, key), {})
        number = self[(*key, ...) if isinstance(key, tuple) else (key, ...)]
        return number.copy().view(Scalar) if isinstance(number, Recorded) else number

    def __setitem__(self, key: Any, value: Any) -> None:
        part = unrecorded(self)[unrecorded(key)]
        if is_same(part, unrecorded(value)):  # a[i] += b assigns what it has written already
            return
        if isinstance(part, np.ndarray) and np.may_share_memory(part, self):
            _in_place(self, np.ndarray.__setitem__, (part, ..., value), {})
        else:
            if _current.recorder:
                _current.recorder.may_fail()  # at an index that is computed
            _in_place(self, np.ndarray.__setitem__, (self, key, value), {})

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def copy(self, order: Any = "C") -> Any:
        """Return a copy."""
        return _computed(np.ndarray.copy, (self, order), {}, copied)

    def astype(self, *arguments: Any, **named: Any) -> Any:
        """Return it in another type."""
        return _computed(np.ndarray.astype, (self, *arguments), named, copied)

    def fill(self, value: Any) -> None:
        """Write one number everywhere."""
        self[...] = value


class Scalar(Recorded):
    """A number that NumPy would return as a scalar, which += does not change but replaces."""


for _name in BINARY.split():
    setattr(Scalar, f"__i{_name}__", getattr(np.ndarray, f"__{_name}__"))


def _looked() -> NoReturn:
    raise GraphError(
        "the step looks at a number that it has computed (by float(), if, item() or the like), but "
        "a recorded step has no branches; look at it after the step, or do without the record"
    )


def _method(name: str) -> Callable[..., Any]:
    function = getattr(np.ndarray, name)

    def method(*arguments: Any, **named: Any) -> Any:
        return _computed_or_in_place(function, arguments, named)

    return method


def _looking(name: str) -> Callable[..., Any]:
    function = getattr(np.ndarray, name)

    def method(self: Recorded, *arguments: Any, **named: Any) -> Any:
        return _looked() if _current.recorder else function(unrecorded(self), *arguments, **named)

    return method


for _name in METHODS.split():
    setattr(Recorded, _name, _method(_name))
for _name in LOOKING.split():
    setattr(Recorded, _name, _looking(_name))


def _computed_or_in_place(
    function: Callable[..., Any], arguments: Any, named: dict[str, Any]
) -> Any:
    if named.get("out") is not None:
        return _in_place(named["out"], function, arguments, named)
    return _computed(function, arguments, named)


def _computed(
    function: Callable[..., Any], arguments: Any, named: dict[str, Any], again: Any = None
) -> Any:
    """Return what a function returns: a view of an argument, or what the recorder is to keep.

    Args:
        function, arguments, named: the call.
        again: given the result and these three, returns the call that writes the result again.

    Raises:
        GraphError: it returns no arrays, but what it found out about their numbers.
    """
    here = _current.recorder
    result = function(*unrecorded(arguments), **unrecorded(named))
    if here is None or function in SHAPES:
        return result
    several = isinstance(result, tuple | list)
    results = result if several else (result,)
    if not all(isinstance(part, np.ndarray | np.generic) for part in results):
        _looked()
    given = [a for a in arguments if isinstance(a, np.ndarray)]
    if results and all(_is_view(part, given) for part in results):
        ys = [part.view(Recorded) for part in results]
        if any(is_same(ys[0], a) for a in given[1:]):  # an `out` by position
            here.note(function, arguments, named)
    else:
        ys = [_kept(part) for part in results]
        if again is None:
            here.may_fail()
            here.note(*written(ys, function, arguments, named))
        else:
            here.note(*again(ys[0], function, arguments, named))
    if not several:
        return ys[0]
    return type(result)(*ys) if hasattr(result, "_fields") else type(result)(ys)


def _is_view(result: Any, given: list[Any]) -> bool:
    """Return whether a result lies in the memory of one of the arrays that were given."""
    return isinstance(result, np.ndarray) and any(np.may_share_memory(result, a) for a in given)


def _kept(result: Any) -> Any:
    """Return a copy of a result in memory of the recorder's."""
    y = _current.recorder.like(result)
    return y.view(Scalar) if isinstance(result, np.generic) else y


def _assigned(out: Any, y: Any) -> Any:
    """Return y, written to an array if that is not None."""
    return y if out is None else _in_place(out, np.copyto, (out, y), {})


def _in_place(
    written: Any, function: Callable[..., Any], arguments: Any, named: dict[str, Any]
) -> Any:
    """Call a function that writes to an array, and return that."""
    here = _current.recorder
    if here is not None:
        here.writes(written)
        here.note(function, arguments, named)
    function(*unrecorded(arguments), **unrecorded(named))
    return written


class _Module:
    """NumPy, whose new arrays are recorded."""

    def __getattr__(self, name: str) -> Any:
        function = getattr(np, name)
        if name not in MAKING:
            return function
        return lambda *arguments, **named: _computed(function, arguments, named)


recorded_numpy = _Module()
