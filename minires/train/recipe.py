"""How a net is trained: batch, learning rate, how long."""

from dataclasses import dataclass

from ..data.dataset import Dataset, Source
from ..optim import ErrorWarmup, StepSchedule


@dataclass(frozen=True)
class Recipe:
    """The settings of one training.

    The learning rate is divided by 10 after a half and after three quarters of the
    iterations, as in the paper (32k and 48k of 64k).

    Attributes:
        batch_size: images a step.
        lr: the learning rate at the start.
        iterations: steps in all.
        momentum, weight_decay: of SGD.
    """

    batch_size: int
    lr: float
    iterations: int
    momentum: float = 0.9
    weight_decay: float = 1e-4

    def schedule(self, depth: int) -> StepSchedule:
        """The learning rate by iteration; from 110 layers on it starts low, as in the paper."""
        milestones = (self.iterations // 2, self.iterations * 3 // 4)
        if depth < 110:
            return StepSchedule(self.lr, milestones)
        return ErrorWarmup(self.lr, milestones, low=self.lr / 10)


def epoch_length(source: Source, batch_size: int) -> int:
    """The number of batches in an epoch, a smaller last one included.

    Not one of a single image: batch norm cannot normalise a map of one pixel by itself.
    """
    return max(1, -(-(source.train_size - 1) // batch_size))


def paper_recipe(
    dataset: Dataset, epochs: int | None = None, batch_size: int | None = None
) -> Recipe:
    """The recipe of He et al. 2015, section 4.2: 64,000 iterations, or `epochs` epochs."""
    batch_size = batch_size or 128
    iterations = 64_000 if epochs is None else epochs * epoch_length(dataset, batch_size)
    return Recipe(batch_size, lr=0.1, iterations=iterations)


def quick_recipe(
    dataset: Dataset, epochs: int | None = None, batch_size: int | None = None
) -> Recipe:
    """A recipe for a small set of images and a short time: 12 epochs unless told otherwise.

    The batch is small so that a small set gives enough steps, and the learning rate with it.
    """
    epochs = 12 if epochs is None else epochs
    usual, lr = (32, 0.01) if len(dataset.train_images) < 10_000 else (128, 0.1)
    batch_size = batch_size or usual
    return Recipe(batch_size, lr, iterations=epochs * epoch_length(dataset, batch_size))
