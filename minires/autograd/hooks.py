"""Functions that are called after the forward and the backward of chosen operations."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from ..arguments import function
from ..backend import Array
from ..modes import modes
from ..ops import Op
from .selection import Ops, matching
from .step import Step

ForwardHook: TypeAlias = Callable[[Op, tuple[Array | None, ...], Array], None]
BackwardHook: TypeAlias = Callable[[Step], None]


@contextmanager
def forward_hook(hook: ForwardHook, path: str | None = None, ops: Ops = None) -> Iterator[None]:
    """Call `hook(op, inputs, output)` inside, after each forward of the operations chosen.

    Inputs and output are arrays, not to be changed; an input that was left out is None.

    Args:
        hook: what to call.
        path, ops: which operations; see `Tensor.backward_steps`.
    """
    function(hook, "hook")
    chosen = matching(ops, path)

    def call(op: Op, inputs: tuple[Array | None, ...], output: Array) -> None:
        if chosen(op):
            hook(op, inputs, output)

    modes.forward_hooks += (call,)
    try:
        yield
    finally:
        modes.forward_hooks = tuple(h for h in modes.forward_hooks if h is not call)


@contextmanager
def backward_hook(hook: BackwardHook, path: str | None = None, ops: Ops = None) -> Iterator[None]:
    """Call `hook(step)` inside, in each backward pass after the operations chosen.

    It gets the step that `Tensor.backward_steps` gives out, and may replace what is in
    `step.gxs` likewise.

    Args:
        hook: what to call.
        path, ops: which operations; see `Tensor.backward_steps`.
    """
    function(hook, "hook")
    chosen = matching(ops, path)

    def call(step: Step) -> None:
        if chosen(step.op):
            hook(step)

    modes.backward_hooks += (call,)
    try:
        yield
    finally:
        modes.backward_hooks = tuple(h for h in modes.backward_hooks if h is not call)
