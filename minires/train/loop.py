"""The training loop, as a generator: it yields the progress after every training step."""

import math
import time
from collections.abc import Generator, Iterable, Iterator
from typing import Any

import numpy as np

from .. import functional as F
from ..backend import Array, array_module, default, guarded, load, move
from ..data.dataset import Dataset, Source
from ..errors import NonFiniteError
from ..inspect import detect_anomaly
from ..kernels.replayed import Replayed
from ..modes import no_grad, tf32
from ..nn import Module
from ..optim import SGD, StepSchedule
from .out_of_memory import memory_error_explained
from .progress import EpochTotals, Progress, Row
from .recipe import Recipe, epoch_length

ADVICE = "a lower learning rate usually helps"
_CAPTURED = "it came from a CUDA graph; without the graph its operation would be named"


class Trainer:
    """One model, trained on one source of images with one recipe.

    All random choices come from `seed`: the same seed on the same machine gives the same weights
    to the bit, however often the training was stopped and resumed (see `training_state`).

    Args:
        net: the model's name, for files and messages.
        model: a classifier; it is moved to the backend.
        dataset: the images; a `Dataset` is moved to the backend, other batches as they come.
        recipe: batch size, learning rate, number of steps.
        schedule: the learning rate by iteration.
        seed: decides the order of the images and their augmentation.
        backend: "numpy" or "cupy"; the default backend if None.
        graph: record a training step and replay it, see `Replayed`; the numbers stay the same.
        tf32: allow a GPU's tensor cores, see `minires.tf32`.

    Attributes:
        iteration: training steps taken so far; rows: measurements at the end of each epoch.
        totals: sums over the current epoch; seconds: taken so far, data and tests included.
    """

    def __init__(
        self,
        net: str,
        model: Module,
        dataset: Source,
        recipe: Recipe,
        schedule: StepSchedule,
        seed: int,
        backend: str | None = None,
        graph: bool = False,
        tf32: bool = False,
    ) -> None:
        self.net = net
        self.backend = backend or default()
        self.model = model.to(backend=self.backend)
        self.dataset = dataset.to(self.backend) if isinstance(dataset, Dataset) else dataset
        self.recipe, self.schedule = recipe, schedule
        self._epoch_length = epoch_length(self.dataset, recipe.batch_size)
        self.seed, self.tf32 = seed, tf32
        self.optimiser = SGD(model.parameters(), recipe.lr, recipe.momentum, recipe.weight_decay)
        self.replayed = Replayed(self._learn) if graph else None
        self.captured = graph and self.backend == "cupy"
        self.iteration = 0
        self.rows: list[Row] = []
        self.totals = EpochTotals()
        self.seconds = 0.0

    @property
    def label(self) -> str:
        """The name of its files."""
        return f"{self.net}-seed{self.seed}"

    @property
    def finished(self) -> bool:
        """Whether all iterations are done."""
        return self.iteration >= self.recipe.iterations

    def run(self) -> Generator[Progress, None, None]:
        """Train to the end, and yield the progress after every step.

        Raises:
            NonFiniteError: the loss is NaN or infinite; names the op and line it came from.
        """
        while not self.finished:
            batches, first = self.coming_batches(), self.iteration % self._epoch_length
            last = min(self._epoch_length, first + self.recipe.iterations - self.iteration)
            for number in range(first, last):
                started = time.perf_counter()
                self.step(*next(batches))
                test_error = self.test_error() if number + 1 == last else None
                self.seconds += time.perf_counter() - started
                yield self._progress(self.iteration / self._epoch_length, test_error)

    def coming_batches(self) -> Iterator[tuple[Array, Array]]:
        """Return the batches that come in this epoch, or all of the next one at its end."""
        epoch, first = divmod(self.iteration, self._epoch_length)
        return self.dataset.training_batches(self.recipe.batch_size, self.seed, epoch, first=first)

    def step(self, x: Array, labels: Array) -> None:
        """Take a training step on one batch: forward, backward, update.

        Args:
            x: images, float32 (N, C, H, W); labels: their classes, int64 (N,).

        Raises:
            NonFiniteError: the loss is NaN or infinite; no parameter was changed.
            LabelError: a label is no class.
            OutOfMemoryError: there is not enough memory; names the batch that would fit.
        """
        lr = self.schedule(self.iteration)
        # A NaN is found below and explained; NumPy's own warnings would only come before it.
        silent = np.errstate(over="ignore", invalid="ignore", divide="ignore")
        explained = memory_error_explained(self.net, self.model, x.shape, self.backend)
        with silent, tf32(self.tf32), explained:
            x, labels = move(x, self.backend), move(labels, self.backend)
            value, wrong, seen = self.learn(x, labels, lr)
            if not math.isfinite(value):
                raise _not_finite(self, value, x, labels)
        self.optimiser.lr = lr
        self.schedule.observe(100 * wrong / seen)
        self.iteration += 1
        self.totals.add(value, wrong, seen)

    def learn(self, x: Array, labels: Array, lr: float) -> tuple[float, int, int]:
        """Learn from a batch; return its loss, the number of wrong predictions and of images."""
        dtype = self.optimiser.parameters[0].dtype
        rate: Any = load(self.backend).full((), lr, dtype) if self.replayed else lr
        self.optimiser.lr = rate  # a number would be another than the record's
        loss, mistakes = (self.replayed or self._learn)(x, labels, rate)
        return loss.item(), int(mistakes), len(labels)

    def _learn(self, x: Array, labels: Array, lr: Any) -> tuple[Array, Array]:
        """Return the loss and the number of wrong predictions of a batch, and learn from it.

        A loss that is not finite changes nothing, except in a CUDA graph, which cannot look at it.
        """
        self.optimiser.lr = lr
        logits = self.model(x)
        loss = F.cross_entropy(logits, labels)
        mistakes = (logits.data.argmax(axis=1) != labels).sum()
        if self.captured or guarded(_is_finite, loss.data):
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
        return loss.data, mistakes

    def test_error(self) -> float:
        """Return the error over all test images, in %, with the running statistics."""
        with tf32(self.tf32):
            wrong, seen = self.test()
        return 100 * wrong / seen

    def test(self) -> tuple[int, int]:
        """Return how many test images are predicted wrong, and how many there are."""
        return _mistakes(self.model, self.dataset.testing_batches(), self.backend)

    def _progress(self, epoch: float, test_error: float | None) -> Progress:
        """Return the progress; a test error ends the epoch, and adds its row."""
        totals, row = self.totals, None
        loss, error = totals.loss / totals.seen, 100 * totals.wrong / totals.seen
        if test_error is not None:
            row = Row(
                seed=self.seed,
                net=self.net,
                iteration=self.iteration,
                epoch=epoch,
                lr=self.optimiser.lr,
                train_loss=loss,
                train_error=error,
                test_error=test_error,
                seconds=round(self.seconds, 3),
            )
            self.rows.append(row)
            self.totals = EpochTotals()
        return Progress(self.iteration, epoch, loss, error, row)


def _is_finite(loss: Array) -> bool:
    return math.isfinite(loss.item())


def _mistakes(
    model: Module, batches: Iterable[tuple[Array, Array]], backend: str
) -> tuple[int, int]:
    """Return how many predictions of a model in evaluation are wrong, and how many there are.

    Leaves it in training mode.
    """
    model.eval()
    wrong = seen = 0
    with no_grad():
        for x, labels in batches:
            predicted = model(move(x, backend)).data.argmax(axis=1)
            wrong += int((predicted != move(labels, backend)).sum())
            seen += len(labels)
    model.train()
    return wrong, seen


def _not_finite(trainer: Trainer, loss: float, x: Array, labels: Array) -> NonFiniteError:
    """Return the error that names where the first NaN or infinity came from.

    A CUDA graph cannot look at labels either: one that is no class raises a LabelError here.
    """
    if trainer.captured:
        with no_grad():
            F.cross_entropy(trainer.model(x), labels)
    origin = _CAPTURED if trainer.captured else _origin_of_nan(trainer.model, x)
    return NonFiniteError(
        f"{trainer.net}, seed {trainer.seed}: the loss is {loss} at iteration "
        f"{trainer.iteration}: {origin}; {ADVICE}"
    )


def _origin_of_nan(model: Module, x: Array) -> str:
    """Run the forward pass again, and return the operation that made the first NaN or infinity."""
    origin = "the loss alone is not finite"
    try:
        with detect_anomaly():
            model(x)
    except NonFiniteError as error:
        origin = str(error)
    xp = array_module(x)
    bad = [name for name, p in model.named_parameters() if not xp.isfinite(p.data).all()]
    if bad:
        origin += f"; {len(bad)} parameters were not finite before this step, first {bad[0]}"
    return origin
