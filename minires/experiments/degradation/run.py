"""The experiment of He et al. 2015, figures 1 and 6: plain nets against residual ones.

A deeper plain net ends with a *higher training error* than a shallower one; with
residual connections the order turns round.
"""

import reprlib
from collections.abc import Callable, Generator, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...backend import load, manual_seed
from ...data import Dataset
from ...errors import RunError, UsageError
from ...inspect.memory import check_memory
from ...kernels import blas_threads
from ...kernels.cuda.graph import expect_graphs
from ...models import NetSpec
from ...runs import RunFolder
from ...runs.autosave import INTERVAL, Event, autosave
from ...runs.config import check_same_data, check_same_options
from ...runs.machine import check_same_machine, machine
from ...train import Progress, Row, Trainer
from .config import Config
from .figure import degradation_figure
from .report import summary


@dataclass(eq=False)
class Degradation:
    """A run of the experiment: made with `start` or `resume`, then `run`.

    Attributes:
        autosave_interval: seconds between two checkpoints within an epoch.
        stopped: whether `run` ended because it was asked to, with something left to train.
    """

    config: Config
    dataset: Dataset
    folder: RunFolder
    graph: bool = False
    until: int | None = None
    autosave_interval: float = INTERVAL
    stopped: bool = False
    _rows: dict[tuple[int, NetSpec], list[Row]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dataset = self.config.prepare(self.dataset)
        self.recipe = self.config.recipe(self.dataset)

    @classmethod
    def start(
        cls,
        config: Config,
        dataset: Dataset,
        out: Path,
        graph: bool = False,
        until: int | None = None,
    ) -> "Degradation":
        """Make a new run folder and the run in it.

        Args:
            config: its settings.
            dataset: the data named there.
            out: the folder.
            graph: replay training steps as CUDA graphs, which changes nothing but the time.
            until: stop each net after so many epochs; a resumed run continues from there.

        Raises:
            UsageError: `out` holds something already, a net would not fit into memory, or `until`
                is below 1.
            RunError: `out` cannot be written.
            DeviceError: the backend cannot be used.
        """
        _check_possible(config, graph, until)
        prepared = config.prepare(dataset)
        _check_memory(config, prepared)
        data = {"data": prepared.name, "data_sha256": dataset.digest}
        recipe = asdict(config.recipe(prepared))
        facts = {**asdict(config), **data, "recipe": recipe, "machine": machine(config.backend)}
        return cls(config, dataset, RunFolder.create(out, facts), graph, until)

    @classmethod
    def resume(
        cls,
        asked: dict[str, Any],
        out: Path,
        load_data: Callable[[Config], Dataset],
        graph: bool = False,
        until: int | None = None,
    ) -> "Degradation":
        """Return the run in the folder `out`, to be continued.

        Args:
            asked: fields of Config the user gave again; each must be what the run has.
            out: the folder.
            load_data: loads the data the run was started on.
            graph, until: as for `start`.

        Warns:
            MachineWarning: its bits may come out otherwise here, see `runs.machine`.

        Raises:
            UsageError: no run there, another configuration, other data, a net would not fit
            into memory, or `until` is below 1; DeviceError: the backend cannot be used.
        """
        folder, facts = RunFolder.open(out)
        config = Config.from_facts(facts, out)
        check_same_options(config, asked, out)
        _check_possible(config, graph, until)
        check_same_machine(facts, out, config.backend)
        dataset = load_data(config)
        check_same_data(dataset, facts, out)
        if facts.get("recipe") != asdict(config.recipe(config.prepare(dataset))):
            raise RunError(
                f"the run in {out} was started by another version of minires, with the recipe "
                f"{reprlib.repr(facts.get('recipe'))}; this version would continue with another one"
            )
        _check_memory(config, config.prepare(dataset))
        return cls(config, dataset, folder, graph, until)

    def run(self, stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Train what is left to train; save the state and write the report on the way.

        Args:
            stop: called after every training step; True saves the state and ends the run.

        Yields:
            Every training step, and a training that was found finished.

        Raises:
            RunError: another process works in the folder, it cannot be written, or a checkpoint
                and the one before it are damaged.
            NonFiniteError: a loss is NaN or infinite.
        """
        with self.folder.locked():
            yield from self._run(stop)

    def _run(self, stop: Callable[[], bool]) -> Iterator[Event]:
        trainings = [(seed, net) for seed in self.config.seeds for net in self.config.specs]
        for seed, net in trainings:
            self._rows[seed, net] = self._trainer(seed, net).rows
        self.report()  # first: a kill may have come between the checkpoint and the files
        for seed, net in trainings:
            trainer = self._trainer(seed, net)
            self._rows[seed, net] = trainer.rows
            if self._is_far_enough(trainer):
                yield Event(trainer, None)
            else:
                self.stopped = yield from self._train(trainer, stop)
                self.report()
            if self.stopped:
                return
            if trainer.finished:
                self.folder.save_weights(trainer.label, trainer.model)

    def _is_far_enough(self, trainer: Trainer) -> bool:
        """Return whether this run trains it no further."""
        epochs = round(trainer.rows[-1].epoch) if trainer.rows else 0
        return trainer.finished or (self.until is not None and epochs >= self.until)

    def _train(self, trainer: Trainer, stop: Callable[[], bool]) -> Generator[Event, None, bool]:
        """Train one net; return whether it was stopped before its end."""

        def save(_progress: Progress) -> None:
            self.folder.save(trainer)
            self.folder.write_history(self.rows)

        steps = self._steps(trainer)
        return (yield from autosave(trainer, steps, save, stop, self.autosave_interval))

    def _steps(self, trainer: Trainer) -> Iterator[Progress]:
        """Train, with one BLAS thread where the images are small.

        The products of an 8x8 image are too small to be shared: on idle cores a second thread
        gains nothing, and on busy ones the two wait for each other at every product, for longer
        than the product takes.
        """
        H, W = self.dataset.train_images.shape[2:]
        with blas_threads(1) if H * W < 16 * 16 else nullcontext():
            for progress in trainer.run():
                yield progress
                if self._is_far_enough(trainer):
                    return

    def report(self) -> None:
        """Write history.csv, degradation.png and summary.md from the rows so far."""
        if self.rows:
            self.folder.write_history(self.rows)
            figure = degradation_figure([(self.dataset.name, self.rows)])
            self.folder.write("degradation.png", figure)
            text = summary(self.config, self.dataset, self.recipe, self.rows)
            self.folder.write("summary.md", text.encode())

    @property
    def rows(self) -> list[Row]:
        """The rows of all trainings, in the order they were made."""
        return [row for rows in self._rows.values() for row in rows]

    def _trainer(self, seed: int, net: NetSpec) -> Trainer:
        """Return the training of a net, restored from its checkpoint if there is one."""
        manual_seed(seed)
        config, dataset, every = self.config, self.dataset, self.config.checkpoint_every
        model = net.build(len(dataset.classes), dataset.channels, checkpoint_every=every)
        schedule = self.recipe.schedule(net.depth)
        settings = (self.recipe, schedule, seed, config.backend, self.graph, config.tf32)
        trainer = Trainer(str(net), model, dataset, *settings)
        self.folder.restore(trainer)
        return trainer


def _check_possible(config: Config, graph: bool, until: int | None) -> None:
    """Raise for a backend that cannot be used or has no graphs, and for fewer epochs than one."""
    load(config.backend)
    if graph:
        expect_graphs(config.backend)
    if until is not None and until < 1:
        raise UsageError(f"a net can stop after 1 epoch or more, got {until}")


def _check_memory(config: Config, dataset: Dataset) -> None:
    """Raise for nets that would not fit into the backend's memory, the deepest first."""
    image = dataset.train_images.shape[1:]
    batch = config.recipe(dataset).batch_size
    for net in sorted(config.specs, key=lambda net: net.depth, reverse=True):
        check_memory(net, image, batch, config.checkpoint_every, config.backend)
