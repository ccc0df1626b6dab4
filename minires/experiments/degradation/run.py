"""The experiment of He et al. 2015, figures 1 and 6: plain nets against residual ones.

A deeper plain net ends with a *higher training error*; residual connections turn this round.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from ...data import Dataset
from ...models import NetSpec
from ...parallel.rank_trainer import RankTrainer
from ...parallel.ranks import ALONE, Ranks
from ...parallel.sweeps import Sweep
from ...parallel.sweeps_calls import Calls
from ...parallel.unwritten import UnwrittenFolder
from ...runs import RunFolder
from ...runs.autosave import INTERVAL, Event, autosave
from ...train import Progress, Row, Trainer, restore_training, training_state
from .checks import check_fitting, check_possible, facts_of, reopened
from .config import Config
from .figure import degradation_figure
from .report import finished_rows, summary
from .training import State, Trainings

Name: TypeAlias = tuple[int, NetSpec]  # of a training: its seed and its net


@dataclass(eq=False)
class Degradation:
    """A run of the experiment: made with `start` or `resume`, then `run`.

    With ranks, each has its own; rank 0's is the one in the folder, which the others do not touch.

    Attributes:
        ranks_before: how many ranks it ran on before it was resumed, one number after the other.
        autosave_interval: seconds between two checkpoints, on workers; here, within an epoch.
        stopped: whether `run` ended because it was asked to, with something left to train.
    """

    config: Config
    dataset: Dataset
    folder: RunFolder
    graph: bool | None = None
    until: int | None = None
    sweep: Sweep | None = None
    ranks: Ranks = ALONE
    ranks_before: tuple[int, ...] = ()
    autosave_interval: float = INTERVAL
    stopped: bool = False
    _rows: dict[Name, list[Row]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dataset = self.config.prepare(self.dataset)
        self.trainings = Trainings(self.config, self.dataset, self.graph, self.until, self.ranks)
        self.recipe = self.trainings.recipe

    @classmethod
    def start(
        cls,
        config: Config,
        dataset: Dataset,
        out: Path,
        graph: bool | None = None,
        until: int | None = None,
        sweep: Sweep | None = None,
        ranks: Ranks = ALONE,
    ) -> "Degradation":
        """Make a new run folder and the run in it.

        Args:
            config, dataset: its settings, and the data named there.
            out: the folder.
            graph: whether to replay training steps; None: on a CPU, except on several ranks.
            until: stop each net after so many epochs; a resumed run continues from there.
            sweep: the workers that train; None to train here.
            ranks: those that take each training step together.

        Raises:
            UsageError: `out` holds something already, a net would not fit into memory, `until` is
                below 1, or ranks cannot share the batches or were not given the same.
            RunError: `out` cannot be written, or there is no worker.
            DeviceError: the backend cannot be used.
        """
        check_possible(config, graph, until, ranks)
        prepared = config.prepare(dataset)
        check_fitting(config, prepared, ranks)
        facts = facts_of(config, prepared, dataset.digest, sweep, ranks)
        folder = RunFolder.create(out, facts) if ranks.rank == 0 else UnwrittenFolder(out)
        return cls(config, dataset, folder, graph, until, sweep, ranks)

    @classmethod
    def resume(
        cls,
        asked: dict[str, Any],
        out: Path,
        load_data: Callable[[Config], Dataset],
        graph: bool | None = None,
        until: int | None = None,
        sweep: Sweep | None = None,
        ranks: Ranks = ALONE,
    ) -> "Degradation":
        """Return the run in the folder `out`, to be continued.

        Args:
            asked: fields of Config given again, each as the run has it, or more `epochs`.
            out: the folder.
            load_data: loads the data the run was started on.
            graph, until, sweep, ranks: as for `start`; there may be more ranks or fewer.

        Warns:
            MachineWarning: its bits may come out otherwise here, see `runs.machine`.

        Raises:
            UsageError: no run there, another configuration, other data, a net would not fit
                into memory, or `until` is below 1.
            DeviceError: the backend cannot be used.
        """
        given = (graph, until, sweep, ranks)
        config, dataset, folder, before = reopened(asked, out, load_data, *given)
        return cls(config, dataset, folder, *given, before)

    def run(self, stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Train what is left to train; save the state and write the report on the way.

        Args:
            stop: called after every training step; True saves the state and ends the run.

        Yields:
            Every training step, and a training that was found finished.

        Raises:
            RunError: another process works in the folder, it cannot be written, or a checkpoint
                and the one before it are damaged.
            NonFiniteError, OutOfMemoryError: see `Trainer.step`; the last checkpoint stays.
        """
        with self.folder.locked():
            if self.ranks_before and self.ranks_before != self.ranks_used:
                self.folder.note(ranks=self.ranks_used)
            yield from self._run(lambda: self.ranks.any(stop()))

    def _run(self, stop: Callable[[], bool]) -> Iterator[Event]:
        names = [(seed, net) for seed in self.config.seeds for net in self.config.specs]
        for name in names:
            self._save_weights(self._trainer(*name))
        self.report()  # first: a kill may have come between the checkpoint and the files
        if self.sweep is None:
            yield from self._here(names, stop)
        else:
            with self.sweep.calls(self.trainings, self.config.backend) as calls:
                yield from self._on_workers(names, calls, stop)

    def _here(self, names: Sequence[Name], stop: Callable[[], bool]) -> Iterator[Event]:
        """Train one net after the other."""
        for name in names:
            trainer = self._trainer(*name)
            if self.trainings.is_far_enough(trainer):
                yield Event(trainer, None)
                continue
            steps, save = self.trainings.steps(trainer), partial(self._save, trainer)
            self.stopped = yield from autosave(trainer, steps, save, stop, self.autosave_interval)
            self.report()
            if self.stopped:
                return
            self._save_weights(trainer)

    def _on_workers(
        self, names: Sequence[Name], calls: Calls, stop: Callable[[], bool]
    ) -> Iterator[Event]:
        """Train nets piece by piece on workers; a piece is saved when its state has arrived."""
        left: dict[Name, Trainer | None] = {}  # made when a worker has begun with it

        def submit(name: Name, state: State | None, first: bool) -> None:
            piece = (Trainings.piece, *name, state, self.autosave_interval)
            calls.submit(name, *piece, first=first)

        for name in names:
            trainer = self._trainer(*name)
            if self.trainings.is_far_enough(trainer):
                yield Event(trainer, None)
            else:
                left[name] = None
                submit(name, training_state(trainer) if trainer.iteration else None, first=False)
        for arrival in calls.arrivals(stop):
            name = arrival.name
            trainer = left[name] = left[name] or self._trainer(*name)
            if arrival.progress is not None:
                yield Event(trainer, Progress(**{**arrival.progress, "row": None}))
                continue
            known = len(trainer.rows)
            restore_training(trainer, *arrival.result)
            ends = self.trainings.is_far_enough(trainer)
            if not ends:
                submit(name, arrival.result, first=True)
            self._rows[name] = trainer.rows
            self._save(trainer)
            for row in trainer.rows[known:]:
                yield Event(trainer, Progress.at(row))
            if ends:
                del left[name]
                self._save_weights(trainer)
                self.report()
        self.stopped = bool(left)
        self.report()

    def _save(self, trainer: Trainer, _progress: Progress | None = None) -> None:
        self.folder.save(trainer)
        self.folder.write_history(self.rows)

    def _save_weights(self, trainer: Trainer) -> None:
        if trainer.finished:
            self.folder.save_weights(trainer.label, trainer.model)
        else:  # those of an end with fewer epochs than it has now
            self.folder.remove(self.folder.weights(trainer.label))

    def report(self) -> None:
        """Write history.csv, degradation.png and summary.md."""
        if self.rows and self.ranks.rank == 0:
            self.folder.write_history(self.rows)
            figure = degradation_figure([(self.dataset.name, self.rows)])
            self.folder.write("degradation.png", figure)
            text = summary(self.config, self.dataset, self.recipe, self.rows, self.ranks_used)
            self.folder.write("summary.md", text.encode())

    @property
    def finished(self) -> dict[NetSpec, list[Row]]:
        """The last row of each training that has ended, by net."""
        return finished_rows(self.recipe, self.rows)

    @property
    def ranks_used(self) -> tuple[int, ...]:
        """How many ranks it has run on, one number after the other."""
        before, now = self.ranks_before, (self.ranks.size,)
        return before if before[-1:] == now else before + now

    @property
    def rows(self) -> list[Row]:
        """The rows of all trainings, in the order they were made."""
        return [row for rows in self._rows.values() for row in rows]

    def _trainer(self, seed: int, net: NetSpec) -> Trainer:
        """Return the training of a net, restored from its checkpoint if there is one."""
        trainer = self.trainings.trainer(seed, net)
        self.folder.restore(trainer)
        if isinstance(trainer, RankTrainer):
            trainer.take_state_of_first()
        self._rows[seed, net] = trainer.rows
        return trainer
