"""The training loop, as a generator: one step of training between two values."""

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .. import functional as F
from ..backend import Array, default, load, move, to_numpy
from ..data.dataset import Dataset, Source
from ..errors import DataError, NonFiniteError
from ..inspect import detect_anomaly
from ..kernels.cuda.graph import Replayed, expect_graphs
from ..modes import no_grad, tf32
from ..nn import Module
from ..optim import SGD, StepSchedule
from ..runs.history import Row
from .recipe import Recipe, epoch_length


@dataclass(frozen=True)
class Progress:
    """Where training stands after a step.

    Attributes:
        iteration: steps taken so far; epoch: passes over the training images.
        train_loss, train_error: means over the epoch so far; the error in %.
        row: the row of the history, when this step ended an epoch.
    """

    iteration: int
    epoch: float
    train_loss: float
    train_error: float
    row: Row | None


class Trainer:
    """One net, trained on one source of images by one recipe.

    Everything that chance decides comes from `seed`, so that the same seed on the same
    machine gives the same weights to the bit, however often training was stopped and gone
    on with from `state`.

    Args:
        graph: whether a step is captured as a CUDA graph and replayed, see `Replayed`.
        tf32: whether it may use the tensor cores of a GPU, see `minires.tf32`.

    Attributes:
        backend: where the net is, and the batches go; the default one unless it was chosen.
        iteration: steps taken so far.
        rows: the history so far.

    Raises:
        UsageError: `graph` where there are no graphs.
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
        self.recipe = recipe
        self.schedule = schedule
        self.seed = seed
        self.tf32 = tf32
        self.optimiser = SGD(model.parameters(), recipe.lr, recipe.momentum, recipe.weight_decay)
        if graph:
            expect_graphs(self.backend)
        self.replayed = Replayed(self._learn) if graph else None
        self.iteration = 0
        self.rows: list[Row] = []
        self.seconds = 0.0
        self._start_epoch()

    @property
    def label(self) -> str:
        """What its files are called by."""
        return f"{self.net}-seed{self.seed}"

    @property
    def finished(self) -> bool:
        """Whether all iterations are done."""
        return self.iteration >= self.recipe.iterations

    def run(self) -> Iterator[Progress]:
        """Train to the end, giving out where it stands after every step.

        Raises:
            NonFiniteError: the loss is NaN or infinite; names the op and line it came from.
        """
        length = epoch_length(self.dataset, self.recipe.batch_size)
        while not self.finished:
            number, start = divmod(self.iteration, length)
            batches = self.dataset.training_batches(
                self.recipe.batch_size, self.seed, number, first=start
            )
            for place in range(start, length):
                started = time.perf_counter()
                self.step(*next(batches))
                ended = place + 1 == length or self.finished
                row = self._row(self.iteration / length, started) if ended else None
                progress = Progress(self.iteration, self.iteration / length, *self._means(), row)
                if row is not None:
                    self.rows.append(row)
                    self._start_epoch()
                else:
                    self.seconds += time.perf_counter() - started
                yield progress
                if self.finished:
                    return

    def step(self, x: Array, labels: Array) -> None:
        """Forward, backward and update on one batch."""
        x, labels = move(x, self.backend), move(labels, self.backend)
        lr = self.schedule(self.iteration)
        # A NaN is found below and named; NumPy's own warnings would only come before it.
        silent = np.errstate(over="ignore", invalid="ignore", divide="ignore")
        with silent, tf32(self.tf32):
            if self.replayed:
                rate = load(self.backend).full((), lr, np.float32)
                loss, mistakes = self.replayed(x, labels, rate)
            else:
                loss, mistakes = self._learn(x, labels, lr)
            value, wrong = loss.item(), int(mistakes)
            if not math.isfinite(value):
                raise self._diagnosis(x, value)
        self.optimiser.lr = lr
        self.schedule.observe(100 * wrong / len(labels))
        self.iteration += 1
        self._loss_sum += value * len(labels)
        self._wrong += wrong
        self._seen += len(labels)

    def _learn(self, x: Array, labels: Array, lr: Any) -> tuple[Array, Array]:
        """One step at the rate `lr`: the loss, and how many images were taken for another class.

        A loss that is not finite stops it before the update, unless the step is to be replayed:
        nothing in it can look at a number then.
        """
        self.optimiser.lr = lr
        logits = self.model(x)
        loss = F.cross_entropy(logits, labels)
        mistakes = (logits.data.argmax(axis=1) != labels).sum()
        if self.replayed or math.isfinite(loss.item()):
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
        return loss.data, mistakes

    def test_error(self) -> float:
        """The error over all test images, in %, with the running statistics."""
        self.model.eval()
        wrong = seen = 0
        with no_grad(), tf32(self.tf32):
            for x, labels in self.dataset.testing_batches():
                guesses = self.model(move(x, self.backend)).data.argmax(axis=1)
                wrong += int((guesses != move(labels, self.backend)).sum())
                seen += len(labels)
        self.model.train()
        return 100 * wrong / seen

    # --- stopping and going on --------------------------------------------------------------

    def state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Everything needed to go on later: arrays by name, and facts that JSON can hold.

        Raises:
            NonFiniteError: a weight is NaN or infinite; such a state must not replace a good one.
        """
        tensors = self.model.state_dict()
        tensors |= {name: np.array(to_numpy(v)) for name, v in self._velocities()}
        for name, array in tensors.items():
            if not np.isfinite(array).all():
                raise NonFiniteError(
                    f"{self.net}, seed {self.seed}: {name} holds a NaN or an infinity after "
                    f"iteration {self.iteration}; {_ADVICE}"
                )
        facts = {
            "net": self.net,
            "seed": self.seed,
            "iteration": self.iteration,
            "loss_sum": self._loss_sum,
            "wrong": self._wrong,
            "seen": self._seen,
            "seconds": self.seconds,
            "schedule": self.schedule.state_dict(),
            "rows": [asdict(row) for row in self.rows],
        }
        return tensors, facts

    def restore(self, tensors: dict[str, Array], facts: dict[str, Any]) -> None:
        """Go on from what `state` gave.

        Raises:
            DataError: the state is not one of this training, or was altered.
        """
        try:
            rows = [Row.checked(row) for row in facts["rows"]]
            self._check(tensors, facts, rows)
            weights = {k: v for k, v in tensors.items() if not k.startswith("velocity.")}
            self.model.load_state_dict(weights)
            for name, v in self._velocities():
                v[...] = move(tensors[name], self.backend)
            self.iteration = facts["iteration"]
            self._loss_sum, self._wrong = facts["loss_sum"], facts["wrong"]
            self._seen, self.seconds = facts["seen"], facts["seconds"]
            self.schedule.load_state_dict(facts["schedule"])
            self.rows = rows
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"not a checkpoint of {self.net}, seed {self.seed}: {error}") from error

    def _velocities(self) -> Iterator[tuple[str, Array]]:
        """The optimiser's velocities, each under the name it has in a state."""
        names = (f"velocity.{name}" for name, _ in self.model.named_parameters())
        return zip(names, self.optimiser.velocities, strict=True)

    def _check(self, tensors: dict[str, Array], facts: dict[str, Any], rows: list[Row]) -> None:
        """Refuse a state that this training cannot have had; raises ValueError or KeyError."""
        for key, own in (("net", self.net), ("seed", self.seed)):
            if facts[key] != own:
                raise ValueError(f"it is of {key} {facts[key]!r}")
        iteration = facts["iteration"]
        if type(iteration) is not int or not 0 <= iteration <= self.recipe.iterations:
            raise ValueError(f"iteration {iteration!r} of {self.recipe.iterations}")
        for row in rows:
            if (row.net, row.seed) != (self.net, self.seed) or row.iteration > iteration:
                raise ValueError(f"a row of {row.net}, seed {row.seed}, iteration {row.iteration}")
        if iteration == self.recipe.iterations and (not rows or rows[-1].iteration != iteration):
            raise ValueError("the last row is missing")
        for key in ("loss_sum", "wrong", "seen", "seconds"):
            if type(facts[key]) not in (int, float) or not 0 <= facts[key] < math.inf:
                raise ValueError(f"{key} is {facts[key]!r}")
        for name, v in self._velocities():
            if tensors[name].shape != v.shape:
                raise ValueError(f"{name} has shape {tensors[name].shape}, expected {v.shape}")
        for name, array in tensors.items():
            if not np.isfinite(array).all():
                raise ValueError(f"{name} holds a NaN or an infinity")

    def _start_epoch(self) -> None:
        self._loss_sum, self._wrong, self._seen = 0.0, 0, 0

    def _means(self) -> tuple[float, float]:
        return self._loss_sum / self._seen, 100 * self._wrong / self._seen

    def _row(self, epoch: float, started: float) -> Row:
        test_error = self.test_error()
        self.seconds += time.perf_counter() - started
        train_loss, train_error = self._means()
        return Row(
            seed=self.seed,
            net=self.net,
            iteration=self.iteration,
            epoch=epoch,
            lr=self.optimiser.lr,
            train_loss=train_loss,
            train_error=train_error,
            test_error=test_error,
            seconds=round(self.seconds, 3),
        )

    def _diagnosis(self, x: Array, loss: float) -> NonFiniteError:
        return NonFiniteError(
            f"{self.net}, seed {self.seed}: the loss is {loss} at iteration {self.iteration}: "
            f"{self._origin(x)}; {_ADVICE}"
        )

    def _origin(self, x: Array) -> str:
        """Where a NaN came from: the same forward again, stopping at the op that made the first."""
        if self.replayed:
            return "it came from a replayed graph; without the graph its operation would be named"
        found = "the loss alone is not finite"
        try:
            with detect_anomaly():
                self.model(x)
        except NonFiniteError as error:
            found = str(error)
        xp = load(self.backend)
        bad = [n for n, p in self.model.named_parameters() if not xp.isfinite(p.data).all()]
        if bad:
            found += f"; the step before had already spoilt {len(bad)} weights, first {bad[0]}"
        return found


_ADVICE = "a lower learning rate is the usual cure"
