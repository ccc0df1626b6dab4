"""The recipe of a training: batch size, learning rate, number of steps."""

from dataclasses import dataclass

from ..data.dataset import Dataset, Source
from ..optim import ErrorWarmup, StepSchedule


@dataclass(frozen=True)
class Recipe:
    """The settings of one training.

    The learning rate is divided by 10 after half and after three quarters of the iterations
    (He et al. 2015, section 4.2: after 32k and 48k of 64k). With a warm-up it rises first, as a
    large batch needs it (Goyal et al. 2017, 1706.02677, section 2.2).

    Attributes:
        batch_size: images in a training step.
        lr: the learning rate at the start.
        iterations: the number of training steps.
        momentum, weight_decay: of SGD.
        warmup: over so many iterations at the start the learning rate rises to `lr`.
        added: so many iterations come after the schedule's end, at the rate that it ends with.
    """

    batch_size: int
    lr: float
    iterations: int
    momentum: float = 0.9
    weight_decay: float = 1e-4
    warmup: int = 0
    added: int = 0

    @property
    def scheduled(self) -> int:
        """The iterations that the learning rate's schedule is of."""
        return self.iterations - self.added

    def schedule(self, depth: int) -> StepSchedule:
        """Return the learning rate by iteration.

        From 110 layers on it starts low (section 4.2), unless there is a warm-up.
        """
        milestones = (self.scheduled // 2, self.scheduled * 3 // 4)
        if depth < 110 or self.warmup:
            return StepSchedule(self.lr, milestones, warmup=self.warmup)
        return ErrorWarmup(self.lr, milestones, low=self.lr / 10)


def epoch_length(source: Source, batch_size: int) -> int:
    """Return the number of batches in an epoch, with a smaller last one.

    A last batch of a single image is left out: batch norm cannot normalise one value.
    """
    return max(1, -(-(source.train_size - 1) // batch_size))


def paper_recipe(
    dataset: Dataset, epochs: int | None = None, batch_size: int | None = None
) -> Recipe:
    """Return the recipe of He et al. 2015, section 4.2.

    Args:
        dataset: the images, which decide the length of an epoch.
        epochs: the length of the training; 64,000 iterations if None.
        batch_size: images in a training step; 128 if None.
    """
    batch_size = batch_size or 128
    iterations = 64_000 if epochs is None else epochs * epoch_length(dataset, batch_size)
    return Recipe(batch_size, lr=0.1, iterations=iterations)


def quick_recipe(
    dataset: Dataset, epochs: int | None = None, batch_size: int | None = None
) -> Recipe:
    """Return a recipe for a short training.

    Below 10,000 images batch size and learning rate are smaller, so that an epoch has enough steps.

    Args: as for `paper_recipe`; if None, 12 epochs, and 32 or 128 images in a training step.
    """
    epochs = 12 if epochs is None else epochs
    usual, lr = (32, 0.01) if len(dataset.train_images) < 10_000 else (128, 0.1)
    batch_size = batch_size or usual
    return Recipe(batch_size, lr, iterations=epochs * epoch_length(dataset, batch_size))
