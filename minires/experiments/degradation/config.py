"""The configuration of a degradation run."""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ... import data
from ...backend import BACKENDS, default
from ...data import Dataset
from ...errors import UsageError
from ...models import NetSpec
from ...runs.config import from_facts
from ...train import Recipe, paper_recipe, quick_recipe

NETS = ("plain20", "plain56", "resnet20", "resnet56")
SCHEDULES = {"quick": quick_recipe, "paper": paper_recipe}
_ADDED = {"batch": None, "checkpoint_every": None, "tf32": False}  # what older runs do not say


@dataclass(frozen=True)
class Config:
    """The settings of a run; `None` stands for the default of the schedule.

    Attributes:
        dataset: "digits" or "cifar10".
        nets: names such as plain20, resnet56 and preact164, trained in this order for each seed.
        schedule: "quick" or "paper".
        epochs: the length of a training.
        lr: the learning rate at the start.
        batch: images a training step.
        seeds: each net is trained once a seed.
        backend: "numpy" or "cupy"; by default the one of `minires.backend.default`.
        validation: test on a part of the training images that is held out, to choose
            settings without a look at the test images.
        checkpoint_every: activation checkpointing: keep for backward only what goes into every
            so many blocks, in less memory and more time; the weights are the same to the bit.
            See `CifarNet`.
        tf32: use the tensor cores of a GPU, see `minires.tf32`.

    Raises:
        UsageError: a value is not one of those possible.
    """

    dataset: str = "digits"
    nets: tuple[str, ...] = NETS
    schedule: str = "quick"
    epochs: int | None = None
    lr: float | None = None
    batch: int | None = None
    seeds: tuple[int, ...] = (0,)
    backend: str = field(default_factory=default)
    validation: bool = False
    checkpoint_every: int | None = None
    tf32: bool = False

    def __post_init__(self) -> None:
        for what, values in (("net", self.specs), ("seed", self.seeds)):
            if not values:
                raise UsageError(f"at least one {what} is needed")
            if len(set(values)) < len(values):
                raise UsageError(f"a {what} is given twice in {', '.join(map(str, values))}")
        if min(self.seeds) < 0:
            raise UsageError(f"seeds must be at least 0, got {min(self.seeds)}")
        for name, value, least in (
            ("epochs", self.epochs, 1),
            ("batch", self.batch, 2),  # batch norm cannot normalise one feature map of one pixel
            ("checkpoint_every", self.checkpoint_every, 1),
        ):
            if value is not None and value < least:
                raise UsageError(f"{name} must be at least {least}, got {value}")
        if self.lr is not None and not 0 < self.lr < math.inf:
            raise UsageError(f"the learning rate must be above 0 and finite, got {self.lr}")
        for name, choice, choices in (
            ("dataset", self.dataset, data.NAMES),
            ("schedule", self.schedule, SCHEDULES),
            ("backend", self.backend, BACKENDS),
        ):
            if choice not in choices:
                raise UsageError(f"there is no {name} {choice!r}; there are: {', '.join(choices)}")
        if self.tf32 and self.backend != "cupy":
            raise UsageError(
                f"TF32 is for the tensor cores of a GPU, on the cupy backend, not on {self.backend}"
            )

    @cached_property
    def specs(self) -> tuple[NetSpec, ...]:
        """The nets, parsed."""
        return tuple(map(NetSpec.parse, self.nets))

    @property
    def is_the_papers(self) -> bool:
        """Whether this is the paper's task, its recipe and its length."""
        asked = (self.dataset, self.schedule, self.epochs, self.lr, self.batch, self.validation)
        return asked == ("cifar10", "paper", None, None, None, False)

    @classmethod
    def from_facts(cls, facts: dict[str, Any], out: Path) -> "Config":
        """Return the configuration in a run's config.json.

        Raises:
            RunError: a value is missing or altered.
        """
        return from_facts(cls, {**_ADDED, **facts}, out)

    def prepare(self, dataset: Dataset) -> Dataset:
        """Return the dataset as this run uses it."""
        return dataset.with_validation() if self.validation else dataset

    def recipe(self, dataset: Dataset) -> Recipe:
        """Return the recipe that all nets of this run are trained by."""
        recipe = SCHEDULES[self.schedule](dataset, self.epochs, self.batch)
        return recipe if self.lr is None else replace(recipe, lr=self.lr)
