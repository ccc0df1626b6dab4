"""Learning rates as functions of the iteration."""

from collections.abc import Iterable, Mapping
from typing import Any

from ..arguments import flag, integer, real, several
from ..errors import UsageError
from .optimiser import expect_rate


class StepSchedule:
    """lr, multiplied by `factor` at each of the iterations `milestones`; rising to it before.

    Over the first `warmup` iterations the rate rises in equal steps from lr / warmup to lr. Goyal
    et al. 2017 (1706.02677, section 2.2) begin at lr / k, the rate of one of k workers, a number
    that is not known here.

    Raises:
        UsageError: lr or `factor` is no number of at least 0, or another argument no integer.
    """

    def __init__(
        self, lr: float, milestones: Iterable[int] = (), factor: float = 0.1, warmup: int = 0
    ) -> None:
        expect_rate("lr", lr)
        expect_rate("factor", factor)
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
        expect_rate("low", low)
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
