"""Modes of a thread: recording, reference operations alone, TF32, the module at work.

All of them are one object, `modes`, that can be saved and restored whole.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any


class Modes(threading.local):
    """The modes of one thread; every value is immutable.

    Attributes:
        grad_enabled, textbook, tf32: see `no_grad`, `textbook` and `tf32`.
        recomputing: whether a forward pass runs for the second time, see `minires.checkpoint`.
        path: the names of the modules that an operation runs in, the outermost first.
        forward_hooks, backward_hooks: see `minires.autograd.hooks`.
        read_hooks: called with each tensor that is read and what it holds, and with each module
            whose `training` is read and its value; see `minires.checkpoint`.
    """

    grad_enabled = True
    recomputing = False
    textbook = os.environ.get("MINIRES_TEXTBOOK", "0") not in ("", "0")
    tf32 = False
    path: tuple[str, ...] = ()
    forward_hooks: tuple[Callable[..., None], ...] = ()
    read_hooks: tuple[Callable[[Any, Any], None], ...] = ()
    backward_hooks: tuple[Callable[..., None], ...] = ()


modes = Modes()

_NAMES = tuple(name for name in vars(Modes) if not name.startswith("_"))


def saved_modes() -> dict[str, Any]:
    """Return the value of every mode by name, to be given to `set_modes` later."""
    return {name: getattr(modes, name) for name in _NAMES}


@contextmanager
def set_modes(**values: Any) -> Iterator[None]:
    """Set modes by name inside the context; restore their former values after it."""
    before = {name: getattr(modes, name) for name in values}
    vars(modes).update(values)
    try:
        yield
    finally:
        vars(modes).update(before)


def no_grad() -> AbstractContextManager[None]:
    """Return a context in which operations are computed but not recorded, and save nothing."""
    return set_modes(grad_enabled=False)


def textbook() -> AbstractContextManager[None]:
    """Return a context in which every operation runs as it is written in `minires.ops`.

    Outside it, kernels are used where there are any. Backward takes the way that forward took.
    MINIRES_TEXTBOOK=1 in the environment does the same for a whole program.
    """
    return set_modes(textbook=True)


def tf32(use: bool = True) -> AbstractContextManager[None]:
    """Return a context in which convolutions and linear layers on a GPU may `use` tensor cores.

    Their float32 factors are then rounded to TF32, with 10 bits of fraction instead of 23; the
    products are added in float32. Nothing else changes, and nothing on a CPU.
    """
    return set_modes(tf32=use)
