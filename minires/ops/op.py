"""What an operation is: forward and backward on arrays, and what it saves in between."""

import inspect
from collections.abc import Callable, Generator
from typing import Any, ClassVar, TypeAlias

import numpy as np

from ..backend import Array

Gradients: TypeAlias = Array | tuple[Array | None, ...]


class Op:
    """One operation, applied once. Subclasses write `forward` and `backward`.

    Settings (stride, labels, ...) go to the constructor; differentiable inputs, all of one
    dtype, to the call: `Conv2d(stride=2)(x, w, b)`. `forward` takes raw arrays (None for an
    input left out) and returns one; it gives what backward needs to `save`. `backward` takes the
    gradient of the output and returns one gradient for each input, None for an input without one,
    or a bare array where there is one input. Neither changes an array it is given.

    Attributes:
        needs_grad: for each input, whether its gradient is wanted; known in `forward`.
        input_names: the names of the inputs in `forward`.
        optional: the names of those that may be left out: None, in `forward`.
        input_shapes: the shape of each input, () for one left out; known in `forward`.
        kernel: what computed it, the reference or a faster one; see `minires.kernels`.
        sources: for each input, the Op that made it, the leaf Tensor that it is, or None.
        path: the module it ran in, such as "layer2.0.conv1"; "" outside a module.
        line: file and line number of the forward line that made it.
        hooks: called with the gradient of the output; see `Tensor.register_hook`.
        released: whether backward ran, and let go of what was saved.
    """

    saved: tuple[Any, ...] = ()
    needs_grad: tuple[bool, ...] = ()
    input_names: tuple[str, ...] = ()
    optional: ClassVar[tuple[str, ...]] = ()
    input_shapes: tuple[tuple[int, ...], ...] = ()
    kernel: Any = None
    sources: tuple[Any, ...] = ()
    path: str = ""
    line: tuple[str, int] = ("", 0)
    hooks: tuple[Callable[[Any], Any], ...] = ()
    released: bool = False
    recomputes = False  # whether backward runs `walk` instead; see `minires.autograd.checkpoint`
    dtype: np.dtype[Any]
    moment: int  # when it ran: backward visits the operations in the reverse of this order
    output: Callable[[], Any]  # a weak reference to the output, which refers to the operation

    engine: ClassVar[Callable[..., Any]]  # applies operations to tensors; set by minires.autograd

    def __init_subclass__(cls) -> None:
        cls.input_names = tuple(inspect.signature(cls.forward).parameters)[1:]

    def check(self, *inputs: Any) -> None:
        """Raise an error of `minires.errors` if the inputs do not fit the operation."""

    def forward(self, *inputs: Any) -> Any:
        """Return the output array."""
        raise NotImplementedError

    def backward(self, gy: Any) -> Gradients:
        """Return the gradients of the inputs, from that of the output."""
        raise NotImplementedError

    def walk(
        self, gy: Any, asked: Callable[["Op"], bool] | None
    ) -> Generator[Any, None, Gradients]:
        """Return what `backward` does, of operations that have others inside, step by step."""
        raise NotImplementedError

    def save(self, *arrays: Any) -> None:
        """Keep `arrays` for backward, where `self.saved` is the tuple of them."""
        self.saved = arrays

    def release(self) -> None:
        """Let go of what was saved and of the graph before; backward cannot run again."""
        self.saved = ()
        self.sources = ()
        self.released = True

    def __call__(self, *inputs: Any) -> Any:
        """Apply the operation to tensors, numbers or arrays: record it, and return a Tensor."""
        return Op.engine(self, *inputs)

    @property
    def name(self) -> str:
        """The name of the operation."""
        return type(self).__name__

    @property
    def label(self) -> str:
        """The name and the module it ran in: "Conv2d layer1.0.conv1"."""
        return f"{self.name} {self.path}".rstrip()

    @property
    def where(self) -> str:
        """The module path and the forward line: "layer1.0.conv1, net.py:12"."""
        line = f"{self.line[0]}:{self.line[1]}"
        return f"{self.path}, {line}" if self.path else line
