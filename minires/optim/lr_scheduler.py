"""Learning rates that follow a schedule, under PyTorch's names: `step()` once an epoch.

A schedule alone, a function of the number of steps, is in `schedules`; a training that gives the
rate itself, `optimiser.lr = schedule(iteration)`, needs none of these.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..arguments import integer, real, shown
from ..errors import StateDictError, UsageError
from .optimiser import Optimiser, expect_rate
from .schedules import StepSchedule


class LRScheduler:
    """Sets an optimiser's learning rate to that of a schedule, here and at each `step`.

    Args:
        optimizer: its lr is that of the start.
        schedule: makes, from the lr at the start, the function of the number of steps.

    Raises:
        UsageError: `optimizer` is none, or a setting is out of range.
    """

    def __init__(
        self, optimizer: Optimiser, schedule: Callable[[float], Callable[[int], float]]
    ) -> None:
        if not isinstance(optimizer, Optimiser):
            raise UsageError(f"a scheduler takes an optimiser, got {shown(optimizer)}")
        self.optimiser = optimizer
        self.base_lr = optimizer.lr
        self.make_schedule = schedule
        self.schedule = schedule(optimizer.lr)
        self.last_epoch = 0
        optimizer.lr = self.schedule(0)

    def step(self) -> None:
        """Set the learning rate of the next epoch."""
        self.last_epoch += 1
        self.optimiser.lr = self.schedule(self.last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return the lr of the start and the number of steps; settings are the maker's."""
        return {"base_lr": self.base_lr, "last_epoch": self.last_epoch}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Resume from what `state_dict` returned, and set the optimiser's lr to that of there.

        Raises:
            StateDictError: it is something else.
            UsageError: a number is out of range.
        """
        if not (isinstance(state_dict, Mapping) and {*state_dict} == {*self.state_dict()}):
            raise StateDictError(
                f"expected 'base_lr' and 'last_epoch' of a scheduler, got {shown(state_dict)}"
            )
        base_lr = real(state_dict["base_lr"], "base_lr", at_least=0)
        self.last_epoch = integer(state_dict["last_epoch"], "last_epoch", at_least=0)
        self.base_lr, self.schedule = base_lr, self.make_schedule(base_lr)
        self.optimiser.lr = self.schedule(self.last_epoch)

    def get_last_lr(self) -> list[float]:
        """Return the learning rate, in a list as PyTorch's."""
        return [self.optimiser.lr]


class StepLR(LRScheduler):
    """lr · gamma^⌊n / step_size⌋ at step n."""

    def __init__(self, optimizer: Optimiser, step_size: int, gamma: float = 0.1) -> None:
        step_size = integer(step_size, "step_size", at_least=1)
        expect_rate("gamma", gamma)
        super().__init__(optimizer, lambda lr: lambda n: lr * gamma ** (n // step_size))


class MultiStepLR(LRScheduler):
    """lr, multiplied by gamma at each of the milestones, as the paper did: a `StepSchedule`."""

    def __init__(self, optimizer: Optimiser, milestones: Iterable[int], gamma: float = 0.1) -> None:
        super().__init__(optimizer, lambda lr: StepSchedule(lr, milestones, gamma))


class CosineAnnealingLR(LRScheduler):
    """eta_min + (lr − eta_min) (1 + cos(π n / T_max)) / 2 at step n (Loshchilov & Hutter 2017)."""

    def __init__(self, optimizer: Optimiser, T_max: int, eta_min: float = 0.0) -> None:
        T_max = integer(T_max, "T_max", at_least=1)
        expect_rate("eta_min", eta_min)

        def schedule(lr: float) -> Callable[[int], float]:
            return lambda n: eta_min + (lr - eta_min) * (1 + math.cos(math.pi * n / T_max)) / 2

        super().__init__(optimizer, schedule)


class LinearLR(LRScheduler):
    """lr times a factor that goes from start_factor to end_factor in total_iters equal steps."""

    def __init__(
        self,
        optimizer: Optimiser,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
    ) -> None:
        total_iters = integer(total_iters, "total_iters", at_least=1)
        expect_rate("start_factor", start_factor)
        expect_rate("end_factor", end_factor)

        def schedule(lr: float) -> Callable[[int], float]:
            rise = (end_factor - start_factor) / total_iters
            return lambda n: lr * (start_factor + rise * min(n, total_iters))

        super().__init__(optimizer, schedule)
