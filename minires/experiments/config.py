"""What a run of the degradation experiment can be asked for."""

import math
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import NoneType
from typing import Any

from .. import data
from ..backend import BACKENDS
from ..data import Dataset
from ..errors import RunError, UsageError, expect
from ..models.cifar import parse_name
from ..train import Recipe, paper_recipe, quick_recipe

NETS = ("plain20", "plain56", "resnet20", "resnet56")
SCHEDULES = {"quick": quick_recipe, "paper": paper_recipe}


@dataclass(frozen=True)
class Config:
    """What a run was asked for; `None` stands for the default of the schedule.

    Attributes:
        dataset: "digits" or "cifar10".
        nets: names such as plain20 and resnet56, trained in this order for each seed.
        schedule: "quick" or "paper".
        epochs: how long, where not as long as the schedule says.
        lr: the learning rate at the start, where not the schedule's.
        seeds: one training of each net for each.
        backend: "numpy" or "cupy".
        validation: test on a part of the training images that is held out, to choose
            settings without a look at the test images.

    Raises:
        UsageError: a value that cannot be meant.
    """

    dataset: str = "digits"
    nets: tuple[str, ...] = NETS
    schedule: str = "quick"
    epochs: int | None = None
    lr: float | None = None
    seeds: tuple[int, ...] = (0,)
    backend: str = "numpy"
    validation: bool = False

    def __post_init__(self) -> None:
        for name in self.nets:
            parse_name(name)
        for what, values in (("net", self.nets), ("seed", self.seeds)):
            expect(len(values) > 0, UsageError, f"at least one {what} is needed")
            expect(
                len(set(values)) == len(values),
                UsageError,
                f"a {what} is given twice in {', '.join(map(str, values))}",
            )
        expect(min(self.seeds) >= 0, UsageError, f"seeds must be at least 0, got {min(self.seeds)}")
        expect(
            self.epochs is None or self.epochs >= 1,
            UsageError,
            f"epochs must be at least 1, got {self.epochs}",
        )
        expect(
            self.lr is None or 0 < self.lr < math.inf,
            UsageError,
            f"the learning rate must be above 0 and finite, got {self.lr}",
        )
        expect(
            self.dataset in data.NAMES,
            UsageError,
            f"there is no dataset {self.dataset!r}; there are: {', '.join(data.NAMES)}",
        )
        expect(
            self.schedule in SCHEDULES,
            UsageError,
            f"there is no schedule {self.schedule!r}; there are: {', '.join(SCHEDULES)}",
        )
        expect(
            self.backend in BACKENDS,
            UsageError,
            f"there is no backend {self.backend!r}; there are: {', '.join(BACKENDS)}",
        )

    @classmethod
    def from_facts(cls, facts: dict[str, Any], out: Path) -> "Config":
        """The configuration in a run's config.json.

        Raises:
            RunError: a value is missing or altered.
        """
        try:
            values: dict[str, Any] = {field.name: facts[field.name] for field in fields(cls)}
            for name, kind in (("nets", str), ("seeds", int)):
                values[name] = tuple(values[name])  # JSON knows lists alone
                expect_types(name, values[name], kind)
            for name, kinds in _TYPES.items():
                expect_types(name, (values[name],), kinds)
            return cls(**values)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RunError(f"the configuration of the run in {out} was altered: {error}") from error

    def prepare(self, dataset: Dataset) -> Dataset:
        """The dataset as this run uses it."""
        return dataset.with_validation() if self.validation else dataset

    def recipe(self, dataset: Dataset) -> Recipe:
        """The recipe all nets of this run are trained by."""
        recipe = SCHEDULES[self.schedule](dataset, self.epochs)
        return recipe if self.lr is None else replace(recipe, lr=self.lr)


_TYPES: dict[str, Any] = {
    "dataset": str,
    "schedule": str,
    "epochs": (int, NoneType),
    "lr": (float, NoneType),
    "backend": str,
}


def expect_types(name: str, values: tuple[Any, ...], kind: Any) -> None:
    """Refuse values of another type than `kind`; raises TypeError."""
    for value in values:
        if not isinstance(value, kind) or isinstance(value, bool):
            raise TypeError(f"{name} is {value!r}")


def expect_same(config: Any, asked: dict[str, Any], out: Path) -> None:
    """Refuse what is asked of the run in `out` where it has another configuration.

    Raises:
        UsageError: a field that is not what the run has; names both.
    """
    for name, value in asked.items():
        has = getattr(config, name)
        expect(
            value == has,
            UsageError,
            f"the run in {out} has {name} = {_plain(has)}, but {_plain(value)} was asked for; "
            "leave the option out, or start a new run",
        )


def _plain(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
