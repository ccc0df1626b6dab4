"""Module: what has parameters, and knows their names."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np

from ..autograd import Tensor
from ..backend import Array, backend_name, destination, is_array, move, to_numpy
from ..errors import StateDictError, expect
from ..modes import modes
from .stored import Stored


class Parameter(Tensor):
    """A tensor that is trained."""

    __slots__ = ()

    def __init__(self, data: Any) -> None:
        super().__init__(data, requires_grad=True)


class Module:
    """A layer, or layers put together.

    Whatever is assigned to an attribute is found again by its name: a Parameter is
    trained, any other Tensor is a buffer (saved, not trained), a Module is a child.
    Subclasses write `forward`.

    Attributes:
        training: whether batch norm uses the batch's statistics; set by `train` and `eval`.
    """

    training = True
    _name = ""  # what the parent calls it

    def forward(self, x: Tensor) -> Tensor:
        """Compute the output."""
        raise NotImplementedError

    def __call__(self, x: Any) -> Tensor:
        x = x if isinstance(x, Tensor) else Tensor(x)
        if not self._name:
            return self.forward(x)
        before = modes.path
        modes.path = (*before, self._name)  # no context manager: this is called for every layer
        try:
            return self.forward(x)
        finally:
            modes.path = before

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Module):
            value._name = name
        elif isinstance(value, Tensor):
            value.name = name
        super().__setattr__(name, value)

    # --- what is inside -------------------------------------------------------------------

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, "Module"]]:
        """This module and all below it, with their paths ("" for this one)."""
        yield prefix, self
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield from value.named_modules(f"{prefix}.{name}" if prefix else name)

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """All parameters and buffers, with their paths."""
        for path, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, Tensor):
                    yield f"{path}.{name}" if path else name, value

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """All parameters, with their paths; one that is used in two places comes once."""
        seen: set[int] = set()
        for name, tensor in self.named_tensors():
            if isinstance(tensor, Parameter) and id(tensor) not in seen:
                seen.add(id(tensor))
                yield name, tensor

    def parameters(self) -> Iterator[Parameter]:
        """All parameters."""
        return (p for _, p in self.named_parameters())

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for p in self.parameters():
            p.zero_grad()

    # --- modes and types ------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Use the batch's statistics in batch norm (the mode for training)."""
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Use the running statistics in batch norm (the mode for testing)."""
        return self.train(False)

    def to(self, target: Any = None, dtype: Any = None, backend: str | None = None) -> Self:
        """Convert parameters and buffers to a dtype or move them to a backend; drop gradients.

        An optimiser made before has velocities that do not move with them: see `SGD.to`.

        Args:
            target: a backend, "numpy" or "cupy", or a dtype, as in `model.to("cupy")`.
            dtype, backend: the same by name.

        Raises:
            UsageError, DeviceError: there is no such backend or dtype, or it cannot be used.
        """
        dtype, backend = destination(target, dtype, backend)
        for _, tensor in self.named_tensors():
            if dtype is not None:
                tensor.data = tensor.data.astype(dtype)
            if backend is not None:
                tensor.data = move(tensor.data, backend)
            tensor.zero_grad()
        return self

    # --- weights --------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Array]:
        """Copies of all parameters and buffers by name, as NumPy arrays in C order."""
        return {name: np.array(tensor.numpy(), order="C") for name, tensor in self.named_tensors()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> list[str]:
        """Copy `state` (name to array) into the parameters and buffers, keeping their dtype.

        PyTorch's `num_batches_tracked` entries, which nothing here uses, are passed over.

        Args:
            state: name to array; one that is `Stored` in a file is read when it is copied.
            strict: refuse a state that does not match to the letter, before anything is
                copied; otherwise copy what matches.

        Returns:
            A sentence for each entry that was not copied, empty if all were.

        Raises:
            StateDictError: names or shapes do not match, and `strict`.
        """
        own = dict(self.named_tensors())
        given = {
            name: value if isinstance(value, Stored) else _on_the_host(value)
            for name, value in state.items()
            if not name.endswith("num_batches_tracked")
        }
        problems = [f"{name} is missing" for name in own if name not in given]
        problems += [f"{name} is not in the model" for name in given if name not in own]
        matching = [name for name in own if name in given]
        for name in list(matching):
            if given[name].dtype.kind not in "fiu":
                matching.remove(name)
                problems.append(f"{name} holds {given[name].dtype}, not numbers")
            elif given[name].shape != own[name].shape:
                matching.remove(name)
                problems.append(
                    f"{name} has shape {given[name].shape}, the model's has {own[name].shape}"
                )
        expect(not strict or not problems, StateDictError, _sentence(problems))
        for name in matching:
            own[name].data[...] = _like(own[name], np.asarray(given[name]))
        return problems


def _on_the_host(value: Any) -> Array:
    """What an array of any backend, or a list, holds."""
    return to_numpy(value) if is_array(value) else np.asarray(value)


def _like(tensor: Tensor, array: Array) -> Array:
    """`array` in the dtype and on the backend of `tensor`."""
    return move(array.astype(tensor.dtype, copy=False), backend_name(tensor.data))


def _sentence(problems: list[str], shown: int = 5) -> str:
    more = f"; and {len(problems) - shown} more" if len(problems) > shown else ""
    return "the weights do not fit the model: " + "; ".join(problems[:shown]) + more
