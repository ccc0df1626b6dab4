"""What all optimisers have: parameters, a learning rate, and a state of each parameter."""

import copy
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from ..arguments import shown
from ..autograd import Tensor
from ..backend import (
    Array,
    array_module,
    backend_name,
    converted,
    destination,
    expect_same_backend,
    guarded,
    is_array,
    move,
    note_write,
    recorded,
    to_numpy,
)
from ..errors import DTypeError, ShapeError, StateDictError, UsageError
from ..pytorch import missing_attribute


class Optimiser:
    """Changes parameters by their gradients; subclasses write `step`.

    Attributes:
        parameters: the leaf tensors.
        lr: the learning rate of the next step.
        state_names: what subclasses keep of each parameter: attributes that are lists of arrays,
            in the order of the parameters, and how an error and a state dict call one.
        setting_names: attributes of subclasses that are numbers, or lists of them.
    """

    state_names: ClassVar[dict[str, str]] = {}
    setting_names: ClassVar[tuple[str, ...]] = ("lr",)
    lr: Any

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        self.parameters = _leaves(params, type(self).__name__)
        self.lr = lr
        for name in self.state_names:
            zeros = [array_module(p.data).zeros_like(p.data) for p in self.parameters]
            setattr(self, name, zeros)

    def to(self, backend: str) -> Self:
        """Move what is kept of the parameters to a backend, as `Module.to` moves these.

        Raises:
            UsageError, DeviceError: there is no such backend, or it cannot be used.
        """
        destination(backend=backend)
        for name in self.state_names:
            setattr(self, name, [move(array, backend) for array in getattr(self, name)])
        return self

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs to resume, and `minires.save` writes.

        Returns:
            The settings by name, as numbers and lists of them. Copies of what is kept of each
            parameter by its position, such as "velocity.0", as NumPy arrays in C order.
        """
        state: dict[str, Any] = {}
        for name in self.setting_names:
            value = getattr(self, name)
            state[name] = np.asarray(to_numpy(value) if is_array(value) else value).tolist()
        for name, array in self._kept().items():
            state[name] = np.array(to_numpy(array), order="C")
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Resume from what `state_dict` returned, of an optimiser of the same parameters.

        All is checked before anything is changed; dtypes and backends stay.

        Raises:
            StateDictError: names, the number of parameters or shapes are not this optimiser's.
            UsageError: a setting is out of range.
        """
        kept = self._kept()
        self._expect_state(kept, state_dict)
        changed = copy.copy(self)
        vars(changed).update({name: state_dict[name] for name in self.setting_names})
        changed._expect_settings()
        vars(self).update({name: getattr(changed, name) for name in self.setting_names})
        for name, own in kept.items():
            own[...] = move(converted(state_dict[name], own.dtype), backend_name(own))

    def _kept(self) -> dict[str, Array]:
        """Return what is kept of the parameters, by its names in a state dict."""
        return {
            f"{word}.{i}": array
            for name, word in self.state_names.items()
            for i, array in enumerate(getattr(self, name))
        }

    def _expect_state(self, kept: dict[str, Array], state: Any) -> None:
        """Raise StateDictError unless a state dict has the names and shapes of what is kept."""
        name = type(self).__name__
        if not isinstance(state, Mapping):
            raise StateDictError(f"{name} got {shown(state)}; expected what state_dict() returns")
        for word in self.state_names.values():
            count = sum(str(key).startswith(f"{word}.") for key in state)
            if 0 < count != len(self.parameters):
                raise StateDictError(
                    f"{name} has {len(self.parameters)} parameters, the state is of {count}"
                )
        own = {*self.setting_names, *kept}
        for said, names in (("has no", own - {*state}), ("has an unknown", {*state} - own)):
            if names:
                first = min(names, key=str)
                words = [f"{word}.0 ..." for word in self.state_names.values()]
                raise StateDictError(
                    f"{name} got a state that {said} {first!r}; expected "
                    f"{', '.join((*self.setting_names, *words))}"
                )
        for key, array in kept.items():
            given = state[key]
            if not is_array(given) or given.shape != array.shape or given.dtype.kind not in "fiu":
                raise StateDictError(
                    f"{name} got {shown(given)} as {key}, expected numbers of shape {array.shape}"
                )

    def _expect_settings(self) -> None:
        """Raise UsageError unless all settings are in their range."""
        self._expect_rates()

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for p in self.parameters:
            p.zero_grad()

    def changes(self) -> list[tuple[Array, ...]]:
        """Return (parameter, what is kept of it, gradient) of each parameter with a gradient.

        All are checked before any is noted as written.

        Raises:
            DeviceError: a parameter is on another backend than what is kept of it; see `to`.
            DTypeError, ShapeError: they, or the gradient, have two dtypes or two shapes.
        """
        states = [getattr(self, name) for name in self.state_names]
        changes, written = [], []
        for p, *kept in zip(self.parameters, *states, strict=True):
            gradient = p.grad
            if gradient is None:
                continue
            change = tuple(map(recorded, (p.data, *kept, gradient)))
            if not _are_alike(change):
                self._expect_same_kind(p, change[1:-1])
            changes.append(change)
            written.append(p)
        writer = f"{type(self).__name__}.step"
        for p in written:
            note_write(p.held, writer, p.name)
        return changes

    def _expect_same_kind(self, p: Tensor, kept: tuple[Array, ...]) -> None:
        """Raise unless what is kept and the gradient have p's backend, dtype and shape."""
        name, g = type(self).__name__, p.grad
        if not is_array(g):
            raise DTypeError(f"{name} got a {type(g).__name__} as a gradient; expected an array")
        words = self.state_names.values()
        expect_same_backend(
            name, parameter=p.data, **dict(zip(words, kept, strict=True)), gradient=g
        )
        for attribute, error in (("dtype", DTypeError), ("shape", ShapeError)):
            of = [getattr(array, attribute) for array in (p, *kept, g)]
            if of.count(of[0]) != len(of):
                given = [f"a {word} of {one}" for word, one in zip(words, of[1:], strict=False)]
                raise error(
                    f"{name} got a parameter {p.name} of {attribute} {of[0]} with "
                    f"{', '.join(given)} and a gradient of {of[-1]}; make the optimiser after the "
                    "model's last to()"
                )

    def _expect_rates(self, *names: str) -> None:
        """Raise UsageError unless lr and the attributes `names` are numbers of at least 0.

        An array on a GPU as lr, of a step that is captured as a CUDA graph, is not looked into.
        """
        if not is_array(self.lr) or isinstance(self.lr, np.ndarray):
            guarded(expect_rate, "lr", self.lr)
        for name in names:
            expect_rate(name, getattr(self, name))
        guarded(_numbers, self, "lr", *names)  # of which a replay has the former ones

    if not TYPE_CHECKING:  # to a type checker, only what is here is here

        def __getattr__(self, name):
            raise missing_attribute(self, "Optimiser", name)


def _numbers(optimiser: Optimiser, *names: str) -> list[Any]:
    """Return the attributes that are no arrays."""
    values = [getattr(optimiser, name) for name in names]
    return [value for value in values if not is_array(value)]


def _are_alike(arrays: tuple[Array, ...]) -> bool:
    """Return whether all are of one class, dtype and shape, which is quickly seen."""
    return len(set(map(type, arrays))) == 1 and len({(a.dtype, a.shape) for a in arrays}) == 1


def expect_rate(name: str, value: Any) -> None:
    """Raise UsageError unless `value` is a finite number of at least 0, or a 0-d array of one."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    number = isinstance(value, int | float | np.integer | np.floating)
    if isinstance(value, bool) or not (number and 0 <= value < math.inf):
        raise UsageError(f"{name} must be a number of at least 0, got {value!r}")


def _leaves(parameters: Any, name: str) -> list[Tensor]:
    """Return the parameters as a list, once they are checked."""
    expected = "expected leaf tensors, such as model.parameters()"
    single = isinstance(parameters, Tensor) or is_array(parameters)
    if single or not isinstance(parameters, Iterable):
        raise UsageError(f"{name} got {type(parameters).__name__}; {expected} or [x]")
    leaves: list[Tensor] = list(parameters)
    for p in leaves:
        if not isinstance(p, Tensor):
            raise UsageError(f"{name} got {type(p).__name__} as a parameter; {expected}")
        if p.op is not None:
            raise UsageError(f"{name} got a tensor that {p.op.name} made; {expected}")
    if len({id(p) for p in leaves}) != len(leaves):
        raise UsageError(f"{name} got a parameter twice; {expected}, each once")
    if not leaves:
        raise UsageError(f"{name} got no parameters; {expected}")
    return leaves
