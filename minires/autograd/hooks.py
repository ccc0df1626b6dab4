"""Functions that are called in forward and in backward: of chosen operations, of one tensor."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from ..arguments import function
from ..backend import Array
from ..kernels import REFERENCE
from ..modes import modes
from ..ops import Op
from .selection import Ops, matching
from .step import Step, expect_gradient

ForwardHook: TypeAlias = Callable[[Op, tuple[Array | None, ...], Array], None]
BackwardHook: TypeAlias = Callable[[Step], None]
GradientHook: TypeAlias = Callable[[Array], Array | None]
Hooks: TypeAlias = tuple[Callable[..., Any], ...]


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


class Handle:
    """A hook that is called until `remove`.

    Args:
        of: what has the hook.
        hook: what is called.
        among: the attribute that holds the hooks of its kind.

    Raises:
        UsageError: it cannot be called.
    """

    def __init__(self, of: Any, hook: Callable[..., Any], among: str = "hooks") -> None:
        function(hook, "hook")
        self._of, self._among = of, among
        self._call = lambda *given: hook(*given)  # another one each time, though hooks may be equal
        setattr(of, among, (*getattr(of, among), self._call))

    def remove(self) -> None:
        """Call the hook no more."""
        there = getattr(self._of, self._among)
        setattr(self._of, self._among, tuple(call for call in there if call is not self._call))


def hooked(hooks: Hooks, gradient: Any) -> Any:
    """Return what the hooks of a tensor make of its gradient.

    Raises:
        ShapeError, DTypeError, DeviceError: what one returned is not a gradient like it.
    """
    for hook in hooks:
        (given,) = REFERENCE.take([gradient])
        returned = hook(given)
        if returned is not None:
            gradient = expect_gradient(returned, given)
    return gradient
