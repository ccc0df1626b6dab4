"""The trainings of a run: how each is made and how far it goes, in this process or on a worker."""

import time
from collections.abc import Generator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeAlias

from ...backend import Array, manual_seed
from ...data import Dataset
from ...kernels import blas_threads
from ...models import NetSpec
from ...nn import SyncBatchNorm2d
from ...parallel.rank_trainer import RankTrainer
from ...parallel.ranks import ALONE, Ranks
from ...parallel.sweeps_worker import Link
from ...train import Progress, Recipe, Trainer, restore_training, training_state
from .config import Config

State: TypeAlias = tuple[dict[str, Array], dict[str, Any]]  # of `training_state`


@dataclass(frozen=True)
class Trainings:
    """What all trainings of a run have in common.

    Attributes:
        config: the run's settings.
        dataset: its data, prepared by `Config.prepare`.
        graph, until, ranks: see `Degradation.start`.
    """

    config: Config
    dataset: Dataset
    graph: bool | None = None
    until: int | None = None
    ranks: Ranks = ALONE

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe that all nets are trained by."""
        return self.config.recipe(self.dataset)

    def trainer(self, seed: int, net: NetSpec) -> Trainer:
        """Return the training of a net, at its start."""
        manual_seed(seed)
        config, dataset, ranks = self.config, self.dataset, self.ranks
        how: dict[str, Any] = {"checkpoint_every": config.checkpoint_every}
        if config.sync_batchnorm and ranks.size > 1:
            how["norm"] = partial(SyncBatchNorm2d, total=ranks.total)
        model = net.build(len(dataset.classes), dataset.channels, **how)
        schedule = self.recipe.schedule(net.depth)
        alone = ranks.size == 1
        graph = alone and config.backend == "numpy" if self.graph is None else self.graph
        settings = (self.recipe, schedule, seed, config.backend, graph, config.tf32)
        if alone:
            return Trainer(str(net), model, dataset, *settings)
        return RankTrainer(ranks, str(net), model, dataset, *settings)

    def is_far_enough(self, trainer: Trainer) -> bool:
        """Return whether this run trains it no further."""
        epochs = round(trainer.rows[-1].epoch) if trainer.rows else 0
        return trainer.finished or (self.until is not None and epochs >= self.until)

    def steps(self, trainer: Trainer) -> Generator[Progress, None, None]:
        """Train, with one BLAS thread where the images are small.

        The products of an 8x8 image are too small to be shared: on idle cores a second thread
        gains nothing, and on busy ones the two wait for each other at every product, for longer
        than the product takes.
        """
        H, W = self.dataset.train_images.shape[2:]
        with blas_threads(1) if H * W < 16 * 16 else nullcontext():
            for progress in trainer.run():
                yield progress
                if self.is_far_enough(trainer):
                    return

    def piece(
        self, link: Link, seed: int, net: NetSpec, state: State | None, interval: float
    ) -> State:
        """Train on a worker for a while, and return the state to continue from, on any worker.

        Args:
            link: to the client, which gets the progress and may ask to stop.
            seed, net: which training.
            state: where it stands; None at its start.
            interval: seconds after which it ends, one step at least.
        """
        trainer = self.trainer(seed, net)
        if state is not None:
            restore_training(trainer, *state)
        end = time.monotonic() + interval
        for progress in self.steps(trainer):
            link.report(progress)
            if link.stopping() or time.monotonic() > end:
                break
        return training_state(trainer)
