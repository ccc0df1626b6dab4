"""What a run of the degradation experiment can be asked for."""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ... import data
from ...backend import BACKENDS, default
from ...data import Dataset
from ...errors import UsageError, expect
from ...models import NetSpec
from ...runs.config import option, parse_config
from ...train import Recipe, paper_recipe, quick_recipe

NETS = ("plain20", "plain56", "resnet20", "resnet56")
SCHEDULES = {"quick": quick_recipe, "paper": paper_recipe}
_ADDED = {"batch": None, "checkpoint_every": None, "tf32": False}  # what older runs do not say


@dataclass(frozen=True)
class Config:
    """What a run was asked for; `None` stands for the default of the schedule.

    Attributes:
        dataset: "digits" or "cifar10".
        nets: names such as plain20, resnet56 and preact164, trained in this order for each seed.
        schedule: "quick" or "paper".
        epochs: how long, where not as long as the schedule says.
        lr: the learning rate at the start, where not the schedule's.
        batch: images a step, where not the schedule's.
        seeds: one training of each net for each.
        backend: "numpy" or "cupy"; the default one unless it is given.
        validation: test on a part of the training images that is held out, to choose
            settings without a look at the test images.
        checkpoint_every: keep for backward what goes into every so many blocks alone, in less
            memory and more time; the weights are the same to the bit. See `CifarNet`.
        tf32: use the tensor cores of a GPU, see `minires.tf32`.

    Raises:
        UsageError: a value that cannot be meant.
    """

    dataset: str = option("digits", "digits (shipped, the default) or cifar10.")
    nets: tuple[str, ...] = option(
        NETS,
        "By commas: plain or resnet and a depth of 6n + 2, or preact and one of 9n + 2: "
        "plain20,resnet110,preact164.",
    )
    schedule: str = option(
        "quick", "quick (minutes, the default) or paper (64,000 iterations a model)."
    )
    epochs: int | None = option(None, "Passes over the training images, if not the schedule's.")
    lr: float | None = option(None, "Learning rate at the start, if not the schedule's.")
    batch: int | None = option(None, "Images a training step, if not the schedule's.")
    seeds: tuple[int, ...] = option((0,), "By commas; each model is trained once for each.")
    backend: str = field(
        default_factory=default,
        metadata={"help": "numpy or cupy; what MINIRES_BACKEND says, or numpy, by default."},
    )
    validation: bool = option(False, "Test on held-out training images, not on the test images.")
    checkpoint_every: int | None = option(
        None,
        "Compute activations again in backward, so many blocks at a time: less memory, the same "
        "bits; minires memory says how much.",
    )
    tf32: bool = option(
        False, "Use the GPU's tensor cores, which round factors to 10 bits of fraction."
    )

    def __post_init__(self) -> None:
        for what, values in (("net", self.specs), ("seed", self.seeds)):
            expect(len(values) > 0, UsageError, f"at least one {what} is needed")
            expect(
                len(set(values)) == len(values),
                UsageError,
                f"a {what} is given twice in {', '.join(map(str, values))}",
            )
        expect(min(self.seeds) >= 0, UsageError, f"seeds must be at least 0, got {min(self.seeds)}")
        for name, value, least in (
            ("epochs", self.epochs, 1),
            ("batch", self.batch, 2),  # batch norm cannot normalise a map of one pixel by itself
            ("checkpoint_every", self.checkpoint_every, 1),
        ):
            expect(
                value is None or value >= least,
                UsageError,
                f"{name} must be at least {least}, got {value}",
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
        expect(
            not self.tf32 or self.backend == "cupy",
            UsageError,
            f"TF32 is for the tensor cores of a GPU, on the cupy backend, not on {self.backend}",
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
        """The configuration in a run's config.json.

        Raises:
            RunError: a value is missing or altered.
        """
        return parse_config(cls, {**_ADDED, **facts}, out)

    def prepare(self, dataset: Dataset) -> Dataset:
        """The dataset as this run uses it."""
        return dataset.with_validation() if self.validation else dataset

    def recipe(self, dataset: Dataset) -> Recipe:
        """The recipe all nets of this run are trained by."""
        recipe = SCHEDULES[self.schedule](dataset, self.epochs, self.batch)
        return recipe if self.lr is None else replace(recipe, lr=self.lr)
