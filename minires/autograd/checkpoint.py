"""Activation checkpointing: less memory for one more forward pass (Chen et al. 2016, 1604.06174).

What operations save for backward is most of the memory of a training step. A checkpointed segment
of a model keeps its inputs alone; when the walk backwards reaches it, it is computed again, and
the walk goes through it as if it had always been there. With segments of about the square root
of the depth, both what is kept between segments and what is alive inside one grow with the square
root of the depth.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

from ..backend import Array, generator
from ..errors import UsageError
from ..modes import modes, no_grad, saved_modes, set_modes
from ..ops import Gradients, Op
from .backward import walk
from .step import Step
from .tensor import Tensor


def checkpoint(function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """Return `function(*inputs)`, of which nothing but the inputs is kept until backward.

    The function is called twice, with the same numbers: the second time batch norm does not
    update its running statistics again, random numbers come from the same place in their stream,
    and forward hooks are not called. Gradients are the same to the bit. Parameters that the
    function uses get their gradients as ever; `backward_steps` steps through what is inside.

    Args:
        function: of tensors, returning one; it must do the same each time.
        inputs: tensors.

    Raises:
        UsageError: the function returned no tensor.
    """
    if not modes.grad_enabled:
        return function(*inputs)
    y: Tensor = Segment(function)(*inputs)
    return y


class Segment(Op):
    """y = f(x, ...), computed again in backward.  gx = f's own.  Saves its inputs."""

    recomputes = True

    def __init__(self, function: Callable[..., Tensor]) -> None:
        self.function = function

    def forward(self, *inputs: Array) -> Any:
        self.input_names = tuple(f"x{i}" for i in range(len(inputs)))
        self.modes = saved_modes()
        self.stream = generator().bit_generator.state
        self.save(*inputs)
        with no_grad():
            y = self.function(*map(Tensor.holding, inputs))
        if not isinstance(y, Tensor):
            raise UsageError(
                f"checkpoint needs a function that returns a Tensor, got {type(y).__name__}"
            )
        return y.held

    def walk(
        self, gy: Array, asked: Callable[[Op], bool] | None
    ) -> Generator[Step, None, Gradients]:
        """Compute the segment again, and walk back through it; return its inputs' gradients."""
        wanted = zip(self.saved, self.needs_grad, strict=True)
        inputs = [Tensor.holding(x, requires_grad=want) for x, want in wanted]
        with self._as_in_forward():
            y = self.function(*inputs)
        if y.op is not None:
            yield from walk(y.op, gy, asked=asked)
        elif y.requires_grad:  # the function returned one of its inputs
            y.accumulate(gy)
        return tuple(x.grad for x in inputs)

    @contextmanager
    def _as_in_forward(self) -> Iterator[None]:
        """Restore all modes and the random stream of forward inside."""
        stream, generator().bit_generator.state = generator().bit_generator.state, self.stream
        try:
            again = {"grad_enabled": True, "recomputing": True, "forward_hooks": ()}
            with set_modes(**{**self.modes, **again}):
                yield
        finally:
            generator().bit_generator.state = stream
