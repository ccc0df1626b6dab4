"""A training whose every step many ranks take together."""

import math
import time
from dataclasses import replace
from typing import Any

import numpy as np

from .. import functional as F
from ..backend import Array
from ..data import Dataset
from ..errors import UsageError
from ..nn import Module, SyncBatchNorm2d
from ..train import Recipe, Trainer, restore_training, training_state
from .distributed_sgd import DistributedSGD
from .ranks import Ranks

PATIENCE = 60.0  # seconds that ranks wait for another one to say what it failed of


class RankTrainer(Trainer):
    """A `Trainer` on each of several ranks, which share the images of every batch.

    All ranks go through the same steps with the same weights, and know the loss and the errors of
    all images: rows, schedules and decisions are the same on each.

    Args:
        ranks: those that train together.
        settings: those of `Trainer`; `batch_size` of the recipe is that of all ranks together.
    """

    def __init__(
        self, ranks: Ranks, net: str, model: Module, dataset: Dataset, *settings: Any
    ) -> None:
        self.ranks = ranks
        own = replace(dataset, share=(ranks.rank, ranks.size))
        super().__init__(net, model, own, *settings)
        recipe = self.recipe
        self.optimiser: DistributedSGD = DistributedSGD(
            self.model, recipe.lr, recipe.momentum, recipe.weight_decay, ranks
        )

    def learn(self, x: Array, labels: Array, lr: float) -> tuple[float, int, int]:
        """Learn from this rank's part of a batch; return what `Trainer.learn` does, of all of it.

        A rank whose own loss is finite while another's is not waits for that one to say where its
        NaN comes from, and to end all.
        """
        self.optimiser.lr = lr
        logits = self.model(x)
        loss = F.cross_entropy(logits, labels)
        mistakes = int((logits.data.argmax(axis=1) != labels).sum())
        own = np.array([loss.item() * len(labels), mistakes, len(labels)])
        loss_sum, wrong, seen = self.ranks.total(own)
        if math.isfinite(loss_sum):
            self.optimiser.zero_grad()
            self.optimiser.backward(loss, len(labels) / seen)
            self.optimiser.step()
        elif math.isfinite(own[0]):
            time.sleep(PATIENCE)
        else:
            _stop_sharing(self.model)
        return float(loss_sum / seen), int(wrong), int(seen)

    def test(self) -> tuple[int, int]:
        """Return what `Trainer.test` does, of all ranks' images."""
        self.optimiser.expect_equal()
        wrong, seen = self.ranks.total(np.array(super().test()))
        return int(wrong), int(seen)

    def take_state_of_first(self) -> None:
        """Set this training to the state that it has on rank 0."""
        tensors, metadata = training_state(self)
        for array in tensors.values():
            self.ranks.broadcast(array)
        metadata = self.ranks.from_first(lambda: metadata)
        restore_training(self, tensors, metadata)


def expect_divisible(recipe: Recipe, dataset: Dataset, ranks: Ranks) -> None:
    """Raise UsageError unless every rank has an image of every batch, and as many of full ones."""
    batch, size = recipe.batch_size, ranks.size
    if batch % size:
        raise UsageError(
            f"{size} ranks cannot share a batch of {batch} images equally; choose a batch or a "
            "number of ranks that fits"
        )
    last = dataset.train_size % batch
    if 1 < last < size:
        raise UsageError(
            f"the last batch of an epoch has {last} images, too few for {size} ranks; choose "
            f"another batch than {batch}, or fewer ranks"
        )


def _stop_sharing(model: Module) -> None:
    """Let batch norm look at this rank's images alone: the others do not compute any more."""
    for _, module in model.named_modules():
        if isinstance(module, SyncBatchNorm2d):
            module.total = lambda own: own
