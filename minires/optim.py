"""Gradient descent with momentum, and learning rates as functions of the iteration."""

from collections.abc import Iterable
from typing import Any, Self

from . import kernels
from .autograd import Tensor
from .backend import array_module, expect_same_backend, move
from .ops.update import Change, update_all


class SGD:
    """Stochastic gradient descent with momentum and weight decay, as PyTorch updates.

        v ← momentum v + (g + weight_decay w)        w ← w − lr v

    (The paper writes v ← momentum v + lr g, w ← w − v: the same until lr changes.)

    Attributes:
        lr: the learning rate of the next step; set it before each one.
        velocities: v of each parameter, in their order.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        self.parameters = list(parameters)
        self.lr = lr
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.velocities = [array_module(p.data).zeros_like(p.data) for p in self.parameters]

    def to(self, backend: str) -> Self:
        """Move the velocities to a backend, as `Module.to` moves the parameters.

        Raises:
            UsageError, DeviceError: there is no such backend, or it cannot be used.
        """
        self.velocities = [move(v, backend) for v in self.velocities]
        return self

    def step(self) -> None:
        """Change every parameter that has a gradient.

        Raises:
            DeviceError: a parameter is on another backend than its velocity; see `to`.
        """
        changed: list[Change] = []
        for p, v in zip(self.parameters, self.velocities, strict=True):
            if p.grad is not None:
                expect_same_backend("SGD", parameter=p.data, velocity=v)
                changed.append((p.data, v, p.grad))
        if changed:
            settings = self.lr, self.momentum, self.weight_decay
            kernels.call(update_all, changed[0][1], changed, *settings)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for p in self.parameters:
            p.zero_grad()


class StepSchedule:
    """lr, multiplied by `factor` at each of the iterations `milestones`; rising to it before.

    Over the first `warmup` iterations the rate rises in equal steps from lr / warmup to lr.
    """

    def __init__(
        self, lr: float, milestones: Iterable[int] = (), factor: float = 0.1, warmup: int = 0
    ) -> None:
        self.lr = lr
        self.milestones = tuple(milestones)
        self.factor = factor
        self.warmup = warmup

    def __call__(self, iteration: int) -> float:
        """The learning rate of the step number `iteration`, counted from 0."""
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
        """What must be remembered to go on later."""
        return {"warm": self.warm, "errors": self.errors}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.warm, self.errors = bool(state["warm"]), [float(error) for error in state["errors"]]
