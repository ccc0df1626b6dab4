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

import numpy as np

from .. import arguments
from ..backend import Array, default, generator, is_array, later_write, use
from ..errors import GraphError, UsageError
from ..modes import modes, no_grad, saved_modes, set_modes
from ..ops import Gradients, Op
from .apply import as_tensors
from .backward import walk
from .step import Step
from .tensor import Tensor


def checkpoint(function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """Return `function(*inputs)`, of which nothing but the inputs is kept until backward.

    The function is called twice, with the same numbers: the second time batch norm does not
    update its running statistics again, and forward hooks are not called. Modes such as
    `minires.textbook`, the default backend, NumPy's handling of errors and the place in the stream
    of random numbers (that of `minires.manual_seed`) are those of the first time. Gradients are the
    same to the bit. Tensors that the function uses without being given them, such as parameters,
    get their gradients as ever; `backward_steps` steps through what is inside.

    Args:
        function: of tensors, returning one; it must do the same each time.
        inputs: tensors.

    Raises:
        UsageError: there is no input, or the function returned no tensor.
        GraphError: in backward, where a module is in another mode than it was in forward, or a
            tensor that the function reads was changed since, so that its result would be another.
    """
    arguments.function(function, "function")
    if not modes.grad_enabled:
        return function(*inputs)
    if not inputs or any(x is None for x in inputs):
        raise UsageError("checkpoint needs tensors to compute the function of, got none or None")
    segment = Segment(function, len(inputs))
    tensors = as_tensors(segment, inputs)
    y: Tensor = segment(*tensors, *segment.run(tensors))
    return y


class Segment(Op):
    """y = f(x, ...), computed again in backward.  gx = f's own.  Saves what f is given.

    Tensors that f uses without being given them, and that operations made, are further inputs.
    """

    recomputes = True

    def __init__(self, function: Callable[..., Tensor], count: int) -> None:
        self.function = function
        self.count = count
        self.modes = saved_modes()
        self.backend, self.errors = default(), np.geterr()
        self.stream = generator().bit_generator.state
        self.module_modes: list[tuple[Any, bool]] = []  # of the modules that f asks for it

    def run(self, tensors: list[Any]) -> list[Tensor]:
        """Compute y the first time; return what else f used that an operation made."""
        interior: dict[int, Tensor] = {}

        def note(source: Any, value: Any) -> None:
            if not isinstance(source, Tensor):
                self.module_modes.append((source, value))
            elif source.op is not None:
                interior[id(source)] = source

        inputs = [Tensor.holding(t.data) for t in tensors]
        with no_grad(), set_modes(read_hooks=(*modes.read_hooks, note)):
            y = self.function(*inputs)
        if not isinstance(y, Tensor):
            raise UsageError(
                f"checkpoint needs a function that returns a Tensor, got {type(y).__name__}"
            )
        note(y, None)
        self.y = y.held
        return [t for t in interior.values() if t.dtype == y.dtype]

    def forward(self, *inputs: Array) -> Any:
        self.input_names = tuple(f"x{i}" for i in range(len(inputs)))
        self.save(*inputs[: self.count])
        y, self.y = self.y, None
        return y

    def walk(
        self, gy: Array, asked: Callable[[Op], bool] | None
    ) -> Generator[Step, None, Gradients]:
        """Compute the segment again, and walk back through it; return its inputs' gradients."""
        inputs = [
            Tensor.holding(x, requires_grad=want)
            for x, want in zip(self.saved, self.needs_grad, strict=False)
        ]
        with self._as_in_forward():
            y = self.function(*inputs)
        outside: dict[Op, Any] = {}
        if y.op is not None:
            outside = yield from walk(y.op, gy, asked=asked, since=self.moment)
        elif y.requires_grad:  # the function returned one of its inputs
            y.accumulate(gy)
        return (*(x.grad for x in inputs), *map(outside.get, self.sources[self.count :]))

    @contextmanager
    def _as_in_forward(self) -> Iterator[None]:
        """Restore the modes of forward inside; raise if what f reads has changed since."""

        def check(source: Any, value: Any) -> None:
            if isinstance(source, Tensor):
                self._expect_unchanged(source, value)
            else:
                self._expect_mode(source, value)

        stream, generator().bit_generator.state = generator().bit_generator.state, self.stream
        again: dict[str, Any] = {"grad_enabled": True, "recomputing": True}
        hooks = {"forward_hooks": (), "read_hooks": (check,)}
        try:
            with (
                set_modes(**self.modes | again | hooks),
                use(self.backend),
                np.errstate(**self.errors),
            ):
                yield
        finally:
            generator().bit_generator.state = stream

    def _expect_unchanged(self, tensor: Tensor, held: Any) -> None:
        """Raise GraphError if a tensor that is read again was changed since forward."""
        write = later_write(held, than=self.moment) if is_array(held) else None
        writer = write.writer if write else "an assignment to .data"
        if write or tensor.assigned > self.moment:
            raise GraphError(
                f"{self.name} ({self.where}) is computed again in backward, but {writer} has "
                f"changed {tensor.name or 'a tensor'} of shape {tensor.shape} that it reads; call "
                f"backward() before it, or run forward again"
            )

    def _expect_mode(self, module: Any, training: bool) -> None:
        """Raise GraphError if a module is in a mode that it was not in, in forward."""
        then = [mode for other, mode in self.module_modes if other is module]
        if then and training not in then:
            now, before = ("training" if mode else "evaluation" for mode in (training, then[0]))
            label = f"{type(module).__name__} {module._name}".rstrip()
            raise GraphError(
                f"{self.name} ({self.where}) is computed again in backward, but {label} is in "
                f"{now} mode and was in {before} mode in forward; call train() or eval() after "
                "backward()"
            )
