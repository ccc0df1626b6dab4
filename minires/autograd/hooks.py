"""Functions that are called after forwards and backwards of chosen operations."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from ..backend import Array
from ..modes import watching, watching_steps
from .engine import Op
from .step import Ops, Step, matching

ForwardHook: TypeAlias = Callable[[Op, tuple[Array | None, ...], Array], None]
BackwardHook: TypeAlias = Callable[[Step], None]


@contextmanager
def forward_hook(hook: ForwardHook, path: str | None = None, ops: Ops = None) -> Iterator[None]:
    """Inside, `hook(op, inputs, output)` is called after each forward of the operations chosen.

    Inputs and output are arrays, not to be changed; an input that was left out is None.

    Args:
        hook: what to call.
        path, ops: which operations; see `Tensor.backward_steps`.
    """
    chosen = matching(ops, path)

    def watcher(op: Op, inputs: tuple[Array | None, ...], output: Array) -> None:
        if chosen(op):
            hook(op, inputs, output)

    with watching(watcher):
        yield


@contextmanager
def backward_hook(hook: BackwardHook, path: str | None = None, ops: Ops = None) -> Iterator[None]:
    """Inside, `hook(step)` is called in each backward pass after the operations chosen.

    It sees the step that `Tensor.backward_steps` gives out, and as there it may replace what is
    in `step.gxs`.

    Args:
        hook: what to call.
        path, ops: which operations; see `Tensor.backward_steps`.
    """
    chosen = matching(ops, path)

    def watcher(step: Step) -> None:
        if chosen(step.op):
            hook(step)

    with watching_steps(watcher):
        yield
