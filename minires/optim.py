"""Gradient descent with momentum, and learning rates as functions of the iteration."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np

from . import kernels
from .arguments import flag, integer, real, several
from .autograd import Tensor
from .backend import array_module, destination, expect_same_backend, is_array, move, note_write
from .deprecated import old_parameters
from .errors import DTypeError, ShapeError, UsageError
from .ops.update import Change, update_all


class SGD:
    """Stochastic gradient descent with momentum and weight decay, as PyTorch updates.

        v ← momentum v + (g + weight_decay w)        w ← w − lr v

    (The paper writes v ← momentum v + lr g, w ← w − v: the same until lr changes.)

    Args:
        params: leaf tensors, each once, such as `model.parameters()`.
        lr, momentum, weight_decay: numbers of at least 0.

    Attributes:
        lr: the learning rate of the next step; set it before each one.
        velocities: v of each parameter, in their order.

    Raises:
        UsageError: `params` are not such tensors, or a number is negative, infinite, NaN or
            none.
    """

    @old_parameters(parameters="params")
    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        self.parameters = _leaves(params)
        self.lr = lr
        self.momentum = momentum
        self.weight_decay = weight_decay
        self._settings()
        self.velocities = [array_module(p.data).zeros_like(p.data) for p in self.parameters]

    def to(self, backend: str) -> Self:
        """Move the velocities to a backend, as `Module.to` moves the parameters.

        Raises:
            UsageError, DeviceError: there is no such backend, or it cannot be used.
        """
        destination(backend=backend)
        self.velocities = [move(v, backend) for v in self.velocities]
        return self

    def step(self) -> None:
        """Change every parameter that has a gradient.

        Raises:
            DeviceError: a parameter is on another backend than its velocity; see `to`.
            DTypeError, ShapeError: they, or the gradient, have two dtypes or two shapes.
            UsageError: lr, momentum or weight_decay was set to what is no number of at least 0.
        """
        lr, momentum, weight_decay = self._settings()
        changes: list[Change] = []
        for p, v in zip(self.parameters, self.velocities, strict=True):
            if p.grad is not None:
                _expect_same_kind(p, v, p.grad)
                changes.append((p.data, v, p.grad))
        for p in self.parameters:
            if p.grad is not None:
                note_write(p.data, "SGD.step", p.name)
        if changes:
            kernels.call(update_all, changes[0][1], changes, lr, momentum, weight_decay)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for p in self.parameters:
            p.zero_grad()

    def _settings(self) -> tuple[Any, float, float]:
        """Return lr, momentum and weight_decay, once they are checked.

        An array on a GPU as lr, of a step that is captured as a CUDA graph, is not looked into.
        """
        if not is_array(self.lr) or isinstance(self.lr, np.ndarray):
            _expect_rate("lr", self.lr)
        _expect_rate("momentum", self.momentum)
        _expect_rate("weight_decay", self.weight_decay)
        return self.lr, self.momentum, self.weight_decay


def _expect_rate(name: str, value: Any) -> None:
    """Raise UsageError unless `value` is a finite number of at least 0."""
    number = isinstance(value, int | float | np.integer | np.floating)
    if isinstance(value, bool) or not (number and 0 <= value < math.inf):
        raise UsageError(f"{name} must be a number of at least 0, got {value!r}")


def _leaves(parameters: Any) -> list[Tensor]:
    """Return the parameters as a list, once they are checked."""
    expected = "expected leaf tensors, such as model.parameters()"
    single = isinstance(parameters, Tensor) or is_array(parameters)
    if single or not isinstance(parameters, Iterable):
        raise UsageError(f"SGD got {type(parameters).__name__}; {expected} or [x]")
    leaves: list[Tensor] = list(parameters)
    for p in leaves:
        if not isinstance(p, Tensor):
            raise UsageError(f"SGD got {type(p).__name__} as a parameter; {expected}")
        if p.op is not None:
            raise UsageError(f"SGD got a tensor that {p.op.name} made; {expected}")
    if len({id(p) for p in leaves}) != len(leaves):
        raise UsageError(f"SGD got a parameter twice; {expected}, each once")
    if not leaves:
        raise UsageError(f"SGD got no parameters; {expected}")
    return leaves


def _expect_same_kind(p: Tensor, velocity: Any, gradient: Any) -> None:
    """Raise unless velocity and gradient have the parameter's backend, dtype and shape."""
    if not is_array(gradient):
        raise DTypeError(f"SGD got a {type(gradient).__name__} as a gradient; expected an array")
    expect_same_backend("SGD", parameter=p.data, velocity=velocity, gradient=gradient)
    for attribute, error in (("dtype", DTypeError), ("shape", ShapeError)):
        of = [getattr(array, attribute) for array in (p, velocity, gradient)]
        if of.count(of[0]) != len(of):
            raise error(
                f"SGD got a parameter {p.name} of {attribute} {of[0]} with a velocity of {of[1]} "
                f"and a gradient of {of[2]}; make the optimiser after the model's last to()"
            )


class StepSchedule:
    """lr, multiplied by `factor` at each of the iterations `milestones`; rising to it before.

    Over the first `warmup` iterations the rate rises in equal steps from lr / warmup to lr.

    Raises:
        UsageError: lr or `factor` is no number of at least 0, or another argument no integer.
    """

    def __init__(
        self, lr: float, milestones: Iterable[int] = (), factor: float = 0.1, warmup: int = 0
    ) -> None:
        _expect_rate("lr", lr)
        _expect_rate("factor", factor)
        self.lr = lr
        self.milestones = tuple(
            integer(m, "a milestone") for m in several(milestones, "milestones")
        )
        self.factor = factor
        self.warmup = integer(warmup, "warmup", at_least=0)

    def __call__(self, iteration: int) -> float:
        """The learning rate of the step number `iteration`, counted from 0."""
        iteration = integer(iteration, "iteration")
        if iteration < self.warmup:
            return self.lr * (iteration + 1) / self.warmup
        passed = sum(iteration >= m for m in self.milestones)
        return self.lr * self.factor**passed

    def observe(self, train_error: float) -> None:
        """Nothing to learn from the training error."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing to remember."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""


class ErrorWarmup(StepSchedule):
    """The paper's warm-up for 110 layers: a low rate until the net has begun to learn.

    The rate is `low` until the mean training error of the last `window` batches falls under
    `until` %, and that of the schedule from then on (He et al. 2015, section 4.2: 0.01 until
    the error is below 80 %, about 400 iterations).
    """

    def __init__(
        self,
        lr: float,
        milestones: Iterable[int] = (),
        factor: float = 0.1,
        low: float = 0.01,
        until: float = 80.0,
        window: int = 100,
    ) -> None:
        super().__init__(lr, milestones, factor)
        _expect_rate("low", low)
        self.low = low
        self.until = until
        self.window = window
        self.errors: list[float] = []
        self.warm = False

    def __call__(self, iteration: int) -> float:
        return super().__call__(iteration) if self.warm else self.low

    def observe(self, train_error: float) -> None:
        """Take in the training error of one batch, in %."""
        if not self.warm:
            self.errors = [*self.errors, train_error][-self.window :]
            full = len(self.errors) == self.window
            self.warm = full and sum(self.errors) / self.window < self.until

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs to resume."""
        return {"warm": self.warm, "errors": self.errors}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from what `state_dict` returned."""
        if not (isinstance(state, Mapping) and {"warm", "errors"} <= set(state)):
            raise UsageError(f"expected 'warm' and 'errors', got {type(state).__name__}")
        errors = several(state["errors"], "errors")
        self.warm = flag(state["warm"], "warm")
        self.errors = [real(error, "an error") for error in errors]
