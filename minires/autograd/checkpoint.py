"""Activation checkpointing: less memory for one more forward pass (Chen et al. 2016, 1604.06174).

What an operation saves for its backward is most of the memory of a training step. A segment of a
net that is checkpointed keeps its inputs alone; when the walk backwards comes to it, it is computed
once more, and the walk goes through it as if it had always been there. With segments of about the
square root of the depth, what is kept between segments and what is alive inside of one both grow
with the square root of the depth.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

from ..backend import Array, generator
from ..errors import UsageError, expect
from ..modes import no_grad, state
from .engine import Gradients, Op, Tensor
from .step import Step


def checkpoint(function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """`function(*inputs)`, of which nothing but the inputs is kept until backward.

    The function is called twice, with the same numbers: the second time batch norm does not
    update its running statistics again, random numbers come from the same place in their stream,
    and nobody who watches forwards sees it. Gradients are the same to the bit. Parameters that
    the function uses get their gradients as ever; `backward_steps` steps through what is inside.

    Args:
        function: of tensors, returning one; it must do the same each time.
        inputs: tensors.

    Raises:
        UsageError: the function returned no tensor.
    """
    if not state.grad_enabled:
        return function(*inputs)
    return Segment(function)(*inputs)


class Segment(Op):
    """y = f(x, ...), computed again in backward.  gx = f's own.  Saves its inputs."""

    recomputes = True

    def __init__(self, function: Callable[..., Tensor]) -> None:
        self.function = function

    def forward(self, *inputs: Array) -> Any:
        self.input_names = tuple(f"x{i}" for i in range(len(inputs)))
        self.textbook = state.textbook
        self.stream = generator().bit_generator.state
        self.save(*inputs)
        with no_grad():
            y = self.function(*map(Tensor.holding, inputs))
        expect(
            isinstance(y, Tensor),
            UsageError,
            f"checkpoint needs a function that returns a Tensor, got {type(y).__name__}",
        )
        return y.held

    def walk_again(
        self, gy: Array, asked: Callable[[Op], bool] | None
    ) -> Generator[Step, None, Gradients]:
        wanted = zip(self.saved, self.needs_grad, strict=True)
        inputs = [Tensor.holding(x, requires_grad=want) for x, want in wanted]
        with self._as_the_first_time():
            y = self.function(*inputs)
        if y.requires_grad:
            yield from y._walk(gy, retain_graph=False, asked=asked)
        return tuple(x.grad for x in inputs)

    @contextmanager
    def _as_the_first_time(self) -> Iterator[None]:
        """Inside, all that surrounds operations is what it was in forward."""
        before = dict(vars(state))
        stream, generator().bit_generator.state = generator().bit_generator.state, self.stream
        state.grad_enabled, state.recomputing, state.textbook = True, True, self.textbook
        state.path = self.path.split(".") if self.path else []
        state.watchers = []
        try:
            yield
        finally:
            vars(state).clear()
            vars(state).update(before)
            generator().bit_generator.state = stream
