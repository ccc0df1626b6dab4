"""Module, the base class of layers and models, and Parameter, a tensor that is trained."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .. import arguments
from ..arguments import flag
from ..autograd import Tensor
from ..autograd.hooks import Handle, Hooks
from ..backend import (
    Array,
    converted,
    destination,
    expect_differentiable,
    move,
    note_replacement,
)
from ..deprecated import old_parameters
from ..modes import modes
from ..pytorch import missing_attribute
from .found import expect_all_found
from .hooks import called_with_hooks
from .printed import tree
from .report import LoadReport, copied
from .summary import Summary, summarise


class Parameter(Tensor):
    """A tensor that is trained."""

    __slots__ = ()

    def __init__(self, data: Any) -> None:
        super().__init__(data, requires_grad=True)


class Module:
    """A layer, or several layers together.

    Attributes are found by their type: a Parameter is trained, any other Tensor is a buffer
    (saved, not trained), a Module is a child. Several children are held in a `ModuleList`; in a
    plain list they would not be found, which raises UsageError. Subclasses write `forward`.

    """

    _training = True
    _name = ""  # of the attribute of the parent that holds it
    forward_hooks: Hooks = ()
    backward_hooks: Hooks = ()

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        """Compute the output."""
        raise NotImplementedError

    def __call__(self, x: Any, *more: Any) -> Tensor:
        x = x if isinstance(x, Tensor) else Tensor(x)
        forward = self.forward
        if self.forward_hooks or self.backward_hooks:
            forward = partial(called_with_hooks, self)
        if not self._name:
            return forward(x, *more)
        before = modes.path
        modes.path = (*before, self._name)  # no context manager: this is called for every layer
        try:
            return forward(x, *more)
        finally:
            modes.path = before

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Module):
            value._name = name
        elif isinstance(value, Tensor):
            value.name = name
        super().__setattr__(name, value)

    # --- children and tensors -------------------------------------------------------------

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, "Module"]]:
        """Yield this module and all below it, with their paths ("" for this one)."""
        found = list(self._all(prefix))
        expect_all_found(found, (Module, Parameter))
        yield from found

    def _all(self, path: str) -> Iterator[tuple[str, "Module"]]:
        yield path, self
        for name, child in self.named_children():
            yield from child._all(f"{path}.{name}" if path else name)

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """Return an iterator over the modules that this one holds itself, with their names."""
        return ((name, m) for name, m in vars(self).items() if isinstance(m, Module))

    def children(self) -> Iterator["Module"]:
        """Return an iterator over the modules that this one holds itself."""
        return (module for _, module in self.named_children())

    def modules(self) -> Iterator["Module"]:
        """Yield this module and all below it, each once."""
        yield from {id(module): module for _, module in self.named_modules()}.values()

    def apply(self, function: Callable[["Module"], object]) -> Self:
        """Call `function` with all modules below this one, and with it last."""
        for child in self.children():
            child.apply(function)
        arguments.function(function, "function")(self)
        return self

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield all parameters and buffers, with their paths."""
        for path, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, Tensor):
                    yield f"{path}.{name}" if path else name, value

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield all parameters, with their paths; one with several paths comes once."""
        seen: set[int] = set()
        for name, tensor in self.named_tensors():
            if isinstance(tensor, Parameter) and id(tensor) not in seen:
                seen.add(id(tensor))
                yield name, tensor

    def parameters(self) -> Iterator[Parameter]:
        """Return an iterator over all parameters."""
        return (p for _, p in self.named_parameters())

    def zero_grad(self) -> None:
        """Drop the gradients of all parameters."""
        for p in self.parameters():
            p.zero_grad()

    # --- modes and types ------------------------------------------------------------------

    @property
    def training(self) -> bool:
        """Whether batch norm uses the batch's statistics; set by `train` and `eval`."""
        for hook in modes.read_hooks:
            hook(self, self._training)
        return self._training

    @training.setter
    def training(self, mode: bool) -> None:
        if mode is not self._training:
            note_replacement()
        self._training = mode

    def train(self, mode: bool = True) -> Self:
        """Use the batch's statistics in batch norm (the mode for training)."""
        mode = flag(mode, "mode")
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Use the running statistics in batch norm (the mode for testing)."""
        return self.train(False)

    def to(self, *targets: Any, dtype: Any = None, backend: str | None = None) -> Self:
        """Convert floats of parameters and buffers to a dtype or move all to a backend.

        Gradients are dropped. An optimiser made before has velocities that do not move with them:
        see `SGD.to`.

        Args:
            targets: a backend, "numpy" or "cupy", or a dtype, or both: `model.to("cupy")`.
            dtype, backend: the same by name.

        Raises:
            DTypeError: the dtype is not float32 or float64, the only ones with gradients.
            UsageError, DeviceError: there is no such backend or dtype, or it cannot be used.
        """
        dtype, backend = destination(*targets, dtype=dtype, backend=backend)
        if dtype is not None:
            expect_differentiable(dtype)
        for _, tensor in self.named_tensors():
            data = tensor.data
            if dtype is not None and data.dtype.kind == "f":
                data = converted(data, dtype, copy=True)
            if backend is not None:
                data = move(data, backend)
            if data is not tensor.data:
                tensor.data = data
            tensor.zero_grad()
        return self

    # --- looking inside -------------------------------------------------------------------

    def register_forward_hook(self, hook: Callable[..., Tensor | None]) -> Handle:
        """Call `hook(module, inputs, output)` after each forward of this module.

        The inputs are a tuple; a tensor that the hook returns takes the place of the output.
        """
        return Handle(self, hook, "forward_hooks")

    def register_full_backward_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call `hook(module, (gx,), (gy,))` in backward, once gx is known; both are arrays.

        gx is None where the input needs no gradient. What the hook returns, an array or (array,),
        goes on instead of gx.
        """
        return Handle(self, hook, "backward_hooks")

    def summary(self, input: Any) -> Summary:
        """Return what each layer does to `input`, a batch or its shape; `print` shows a table.

        The model is run once, in evaluation, and left as it is.
        """
        return summarise(self, input)

    def __repr__(self) -> str:
        return tree(self)

    if not TYPE_CHECKING:  # to a type checker, only what is here is here

        def __getattr__(self, name):
            raise missing_attribute(self, "Module", name)

    # --- weights --------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Array]:
        """Return copies of all parameters and buffers by name, as NumPy arrays in C order."""
        return {name: np.array(tensor.numpy(), order="C") for name, tensor in self.named_tensors()}

    @old_parameters(state="state_dict")
    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> LoadReport:
        """Copy `state_dict` (name to array) into the parameters and buffers, keeping their dtype.

        Entries of PyTorch's name `num_batches_tracked`, which nothing here uses, are ignored.

        Args:
            state_dict: name to array, tensor or list. What has `shape`, `dtype` and `__array__` is
                converted to an array only when it is copied, so that tensors of a file are read
                one at a time.
            strict: raise where names or shapes differ, before anything is copied; otherwise copy
                what matches.

        Returns:
            What was not copied.

        Raises:
            StateDictError: names or shapes differ, and `strict`; or they are not arrays by name.
        """
        return copied(dict(self.named_tensors()), state_dict, strict)
