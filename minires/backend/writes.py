"""Arrays that were changed in place: which, by what, and when.

An operation keeps the arrays that its backward needs, not copies of them. What minires itself
writes in place afterwards (an optimiser's step, loaded weights, running statistics) is noted here
under the memory that was written, so that views of it are found too; backward looks it up. What a
program writes into an array on its own, as in `p.data[...] = 0`, is not noticed.
"""

import itertools
import weakref
from typing import Any

import numpy as np

from ..errors import UsageError
from .arrays import Array, is_array

_clock = itertools.count()
_replacement = -1  # the moment of the last
_writes: dict[int, "Write"] = {}  # by the id of the array that owns the memory


class Write:
    """The last write into some memory.

    Attributes:
        memory: a weak reference to the array that owns it.
        moment: when; writer: what wrote, such as "SGD.step"; name: of the tensor, or "".
    """

    __slots__ = ("memory", "moment", "name", "writer")

    def __init__(self, memory: Array) -> None:
        key, writes = id(memory), _writes  # which outlives this module's name for it at exit
        self.memory = weakref.ref(memory, lambda _: writes.pop(key, None))
        self.moment, self.writer, self.name = -1, "", ""


def moment() -> int:
    """Return the number of this moment, larger than any before."""
    return next(_clock)


def note_replacement() -> int:
    """Note that a tensor gets another array, or a module another mode; return the moment."""
    global _replacement
    _replacement = moment()
    return _replacement


def last_replacement() -> int:
    """Return the moment of the last `note_replacement`, or -1."""
    return _replacement


def note_write(array: Array, writer: str, name: str = "") -> None:
    """Note that `array` is written in place now; a GPU is not waited for.

    Raises:
        UsageError: it cannot be written.
    """
    if is_read_only(array):
        what = f"{name or 'an array'} of shape {array.shape}"
        raise UsageError(
            f"{writer} writes to {what}, whose memory is read-only; make it of a copy of the array"
        )
    memory = owner(array)
    write = _writes.get(id(memory)) or _writes.setdefault(id(memory), Write(memory))
    write.moment, write.writer, write.name = moment(), writer, name


def is_read_only(array: Array) -> bool:
    """Return whether NumPy would not let the array be written."""
    return isinstance(array, np.ndarray) and not array.flags.writeable


def later_write(array: Array, than: int) -> Write | None:
    """Return the last write into the memory of `array`, if it came after the moment `than`."""
    write = _writes.get(id(owner(array)))
    return write if write and write.moment > than else None


def writes_since(start: int) -> list[Write]:
    """Return the last write into each memory that was written after the moment `start`."""
    return [write for write in list(_writes.values()) if write.moment > start]


def owner(array: Array) -> Any:
    """Return the array that owns the memory of this one: itself, or what it is a view of."""
    memory: Any = array
    while (base := memory.base) is not None and is_array(base):
        memory = base
    return memory
