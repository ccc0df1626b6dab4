"""The recorder, which keeps the calls of NumPy that a function makes, to be made again."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Self

import numpy as np

from ...errors import GraphError
from ..arrays import Array
from ..writes import owner
from .arena import Arena
from .array import Recorded, set_recorder, unrecorded
from .state import State

Calls = list[Callable[[], Any]]


class Written:
    """An array that a recorded function writes to.

    Attributes:
        array: all of its memory; before: a copy of what was there.
        early: whether what may raise in a replay comes after the first write.
    """

    def __init__(self, array: Array) -> None:
        self.array, self.before, self.early = array, array.copy(), False


class Recorder:
    """Keeps the calls of NumPy that are made in this thread inside `with`.

    Args:
        arena: the memory of its arrays.

    Attributes:
        calls: what was called so far.
        written: the arrays of others that were written to, by the id of what owns their memory.
        state: the tensors and modules that were read, and the gradients.
    """

    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        self.calls: Calls = []
        self.written: dict[int, Written] = {}
        self._own: set[int] = set()  # addresses of blocks
        self.state = State()

    def __enter__(self) -> Self:
        set_recorder(self)
        return self

    def __exit__(self, *error: object) -> None:
        set_recorder(None)

    def note(self, function: Callable[..., Any], arguments: Any, named: dict[str, Any]) -> None:
        """Keep a call."""
        self.calls.append(partial(function, *self.lasting(arguments), **self.lasting(named)))

    def guarded(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a function returns, and keep a guard: a call that expects the same."""
        result = function(*unrecorded(arguments))
        self.may_fail()
        self.note(_expect_same, (result, function, *arguments), {})
        return result

    def may_fail(self) -> None:
        """Let what was written so far be set back if the coming call raises in a replay."""
        for written in self.written.values():
            written.early = True

    def writes(self, array: Array) -> None:
        """Keep a copy of an array of others that is written to."""
        block = self.arena.block(_address(array))
        if block and block[0] in self._own:
            return
        memory = block[1] if block else owner(array.view(np.ndarray))
        if id(memory) not in self.written:
            self.written[id(memory)] = Written(memory)

    def undo(self) -> None:
        """Set the arrays and gradients of others back to what they were."""
        self.state.undo()
        for written in self.written.values():
            np.copyto(written.array, written.before)

    def in_shares(
        self, works: Iterable[Callable[[], None]], run: Callable[[list[Calls]], None]
    ) -> None:
        """Do works that `run` does side by side in a replay: no two of them use the same memory."""
        calls, shares = self.calls, []
        for work in self.arena.apart(works):
            self.calls = []
            work()
            shares.append(self.calls)
        self.calls = calls
        self.calls.append(partial(run, shares))

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Return an array of any content.

        Raises:
            GraphError: it would hold Python's objects.
        """
        if dtype.hasobject:
            raise GraphError(f"a record holds no arrays of Python's objects, got {dtype}")
        address, array = self.arena.empty(shape, dtype)
        self._own.add(address)
        return array

    def like(self, array: Any) -> Array:
        """Return a copy, which lies in memory in the same order."""
        axes = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
        y = self.empty(tuple(array.shape[axis] for axis in axes), array.dtype)
        y = unrecorded(y).transpose(np.argsort(axes)) if axes else y
        np.copyto(unrecorded(y), array)
        return y.view(Recorded)

    def buffer(self, array: Any) -> Array:
        """Return a copy with the same strides: kernels and sums go by them."""
        last = [(n - 1) * stride for n, stride in zip(array.shape, array.strides, strict=True)]
        start = -sum(min(0, steps) for steps in last)
        size = start + sum(max(0, steps) for steps in last) + array.itemsize
        if array.size == 0 or array.dtype.hasobject:
            return self.like(array)
        memory = unrecorded(self.empty((size,), np.dtype(np.uint8)))
        y: Array = np.ndarray(array.shape, array.dtype, memory, start, array.strides)
        np.copyto(y, array)
        return y.view(Recorded)

    def lasting(self, value: Any) -> Any:
        """Return an array as one of NumPy's that does not keep its memory from being used again."""
        if isinstance(value, tuple | list):
            return type(value)([self.lasting(part) for part in value])
        if isinstance(value, dict):
            return {name: self.lasting(part) for name, part in value.items()}
        if not isinstance(value, np.ndarray):
            return value
        block = self.arena.block(_address(value))
        if block is None:
            return value.view(np.ndarray)
        start, memory = block
        return np.ndarray(value.shape, value.dtype, memory, _address(value) - start, value.strides)


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _expect_same(result: Any, function: Callable[..., Any], *arguments: Any) -> None:
    now = function(*arguments)
    if now != result:
        raise GraphError(
            f"{function.__name__} was {result} when the step was recorded and is {now} now, "
            "so that another way would have to be taken"
        )
