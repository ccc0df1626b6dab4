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
from ...runs.config import check_least, option, parse_config
from ...train import Recipe, paper_recipe, quick_recipe
from ...train.recipe import epoch_length

NETS = ("plain20", "plain56", "resnet20", "resnet56")
SCHEDULES = {"quick": quick_recipe, "paper": paper_recipe}
_ADDED = {  # what older runs do not say
    "batch": None,
    "checkpoint_every": None,
    "tf32": False,
    "scale_lr": False,
    "warmup": None,
    "sync_batchnorm": False,
    "added": 0,
}


@dataclass(frozen=True)
class Config:
    """The settings of a run; `None` stands for the default of the schedule.

    Each net is trained once a seed, in the order of `nets` for each seed. `checkpoint_every` is
    activation checkpointing, see `CifarNet`: the weights are the same to the bit. `added` are the
    iterations of epochs that the run was given later, see `lengthened`.

    Raises:
        UsageError: a value is not one of those possible.
    """

    dataset: str = option("digits", "digits (shipped, the default) or cifar10.")
    nets: tuple[str, ...] = option(
        NETS,
        "By commas: plain or resnet and a depth of 6n + 2, or preact and one of 9n + 2: "
        "plain20,resnet110,preact164.",
        nets="cifar",
    )
    schedule: str = option(
        "quick", "quick (minutes, the default) or paper (64,000 iterations a model)."
    )
    epochs: int | None = option(
        None,
        "Passes over the training images, if not the schedule's; with --resume there may be more, "
        "at the last learning rate.",
    )
    lr: float | None = option(None, "Learning rate at the start, if not the schedule's.")
    batch: int | None = option(
        None, "Images a training step, if not the schedule's; of all ranks together."
    )
    scale_lr: bool = option(
        False, "Multiply the learning rate by what --batch is of the schedule's batch."
    )
    warmup: int | None = option(
        None, "Epochs at the start over which the learning rate rises, for large batches."
    )
    sync_batchnorm: bool = option(
        False, "With mpiexec: take batch norm's statistics over the images of all ranks."
    )
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
    added: int = 0

    def __post_init__(self) -> None:
        for what, values in (("net", self.specs), ("seed", self.seeds)):
            if not values:
                raise UsageError(f"at least one {what} is needed")
            if len(set(values)) < len(values):
                raise UsageError(f"a {what} is given twice in {', '.join(map(str, values))}")
        if min(self.seeds) < 0:
            raise UsageError(f"seeds must be at least 0, got {min(self.seeds)}")
        # Batch norm cannot normalise one feature map of one pixel: two images a batch, or more.
        check_least(self, epochs=1, batch=2, checkpoint_every=1, warmup=1, added=0)
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
        return (*asked, self.warmup) == ("cifar10", "paper", None, None, None, False, None)

    @classmethod
    def from_facts(cls, facts: dict[str, Any], out: Path) -> "Config":
        """Return the configuration in a run's config.json.

        Raises:
            RunError: a value is missing or altered.
        """
        return parse_config(cls, {**_ADDED, **facts}, out)

    def prepare(self, dataset: Dataset) -> Dataset:
        """Return the dataset as this run uses it."""
        return dataset.with_validation() if self.validation else dataset

    def recipe(self, dataset: Dataset) -> Recipe:
        """Return the recipe that all nets of this run are trained by.

        The rate is proportional to the batch if asked to be (Goyal et al. 2017, 1706.02677, the
        linear scaling rule), so that an epoch of few large steps takes it as far as one of many.
        """
        make = SCHEDULES[self.schedule]
        recipe = make(dataset, self.epochs, self.batch)
        lr = recipe.lr if self.lr is None else self.lr
        if self.scale_lr:
            lr *= recipe.batch_size / make(dataset).batch_size
        warmup = (self.warmup or 0) * epoch_length(dataset, recipe.batch_size)
        return replace(recipe, lr=lr, warmup=warmup, added=self.added)

    def lengthened(self, epochs: int, dataset: Dataset) -> "Config":
        """Return this with more epochs, so many in all; itself if it has so many.

        The learning rate keeps its schedule, and stays as it ends where the added epochs begin:
        all nets have the same rates, whether they had ended or not, and however often there came
        more epochs.

        Raises:
            UsageError: the run has more epochs.
        """
        longer = replace(self, epochs=epochs)
        had, asked = self.recipe(dataset), longer.recipe(dataset)
        more = asked.iterations - had.iterations
        if more < 0:
            has = had.iterations / epoch_length(dataset, had.batch_size)
            raise UsageError(
                f"the run has {has:.5g} epochs, and can be given more, but {epochs} was asked for: "
                "leave the option out, or start a new run"
            )
        return replace(longer, added=self.added + more) if more else self
