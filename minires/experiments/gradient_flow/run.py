"""A gradient flow run: the figures that were asked for, one after the other, in a folder."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ...backend import default, manual_seed
from ...data import Dataset
from ...errors import UsageError
from ...kernels import blas_threads
from ...models import NetSpec
from ...nn import Module
from ...parallel.sweeps import Sweep, machine_of
from ...parallel.sweeps_worker import Link
from ...runs import RunFolder
from ...runs.table import table
from ..degradation import trained_model
from .ablations import Ablations
from .ablations_figure import ablations_figure, depth_figure
from .config import FlowConfig
from .figures import paths_figure, responses_figure, shattered_figure
from .measurement import Measurement
from .paths import Paths
from .report import (
    ablations_section,
    depth_section,
    paths_section,
    responses_section,
    shattered_section,
    summary,
)
from .responses import Responses
from .shattered import Shattered

_BATCH = 32  # images whose gradient is followed along paths


class Drawing(NamedTuple):
    """How results are drawn below a sentence, and described in a part of the report."""

    draw: Callable[[list[Any], str], bytes]
    section: Callable[[list[Any]], str]


@dataclass(frozen=True)
class Figure:
    """A measurement, and the drawings of its results by the names of their files."""

    measurement: Measurement[Any]
    drawings: dict[str, Drawing]


@dataclass(frozen=True)
class Event:
    """The progress of a figure: `done` of `total` measurements."""

    figure: str
    done: int
    total: int


@dataclass(frozen=True)
class Figures:
    """The figures of a run, each made when it is first asked for, here or on a worker."""

    config: FlowConfig
    dataset: Dataset
    _made: dict[str, Figure] = field(default_factory=dict, init=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave out what is made: a worker makes its own."""
        return Figures, (self.config, self.dataset)

    def __getitem__(self, name: str) -> Figure:
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def measured(self, _link: Link | None, name: str, index: int) -> Any:
        """Return a result of a figure's measurement."""
        with blas_threads(1):  # the products are small: a second thread gains nothing
            return self[name].measurement[index]

    def _make(self, name: str) -> Figure:
        config, dataset = self.config, self.dataset
        if name == "flow":
            images = dataset.enlarged(config.size)
            flows = Ablations(images, config.nets, config.steps, config.seed)
            section = partial(ablations_section, config.specs)
            depth = Drawing(depth_figure, depth_section)
            return Figure(flows, {"depth": depth, name: Drawing(ablations_figure, section)})
        if name == "responses":
            nets = Responses(dataset, config.specs, config.seed, config.run)
            section = partial(responses_section, training=nets.training)
            return Figure(nets, {name: Drawing(responses_figure, section)})
        if name == "shattered":
            drawing = Drawing(shattered_figure, shattered_section)
            return Figure(Shattered(seed=config.seed), {name: drawing})
        batch = next(dataset.training_batches(_BATCH, config.seed, epoch=0))
        models = {str(net): self._model(net) for net in config.residual}
        paths = Paths(models, *batch, seed=config.seed)
        state = "at initialisation" if config.run is None else "after training"
        section = partial(paths_section, state=state)
        return Figure(paths, {name: Drawing(paths_figure, section)})

    def _model(self, net: NetSpec) -> Module:
        classes, channels = len(self.dataset.classes), self.dataset.channels
        if self.config.run is not None:
            run, seed = self.config.run, self.config.seed
            return trained_model(run, str(net), seed, classes, channels).train()
        manual_seed(self.config.seed)
        return net.build(classes, channels)


@dataclass(frozen=True)
class FlowRun:
    """A run, made with `start`; `run` computes it."""

    config: FlowConfig
    dataset: Dataset
    folder: RunFolder
    sweep: Sweep | None = None
    _sections: dict[str, str] = field(default_factory=dict)

    @classmethod
    def start(
        cls, config: FlowConfig, dataset: Dataset, out: Path, sweep: Sweep | None = None
    ) -> "FlowRun":
        """Make a new run folder and the run in it.

        Args:
            config: its settings.
            dataset: the data named there.
            out: the folder.
            sweep: the workers that measure; None to measure here.

        Raises:
            UsageError: `out` holds something already, images cannot be enlarged to that size, or
            a trained net is missing; RunError: `out` cannot be written;
            DataError, StateDictError: the weights of a trained net cannot be read.
        """
        dataset.enlarged(config.size)
        if config.run is not None:
            for net in config.nets:  # before time is spent on other figures
                trained_model(config.run, net, config.seed, len(dataset.classes), dataset.channels)
        if RunFolder(out).holds_anything():
            raise UsageError(f"{out} is not empty; choose another --out")
        run = config.run and str(config.run)
        facts = {"experiment": "flow", **asdict(config), "run": run, "data_sha256": dataset.digest}
        facts["machine"] = machine_of(sweep)
        return cls(config, dataset, RunFolder.create(out, facts), sweep)

    def run(self) -> Iterator[Event]:
        """Measure what was asked for; write each figure as soon as it is measured.

        Yields:
            The progress after every measurement.

        Raises:
            NonFiniteError: a net could not be trained for the layer responses.
            RunError: another process works in the folder, or it cannot be written.
        """
        figures = Figures(self.config, self.dataset)
        results: dict[str, dict[int, Any]] = {name: {} for name in self.config.only}
        with self.folder.locked():
            for name, index, result in self._results(figures):
                found, total = results[name], len(figures[name].measurement)
                if not found:
                    yield Event(name, 0, total)
                found[index] = result
                if len(found) == total:
                    self._write(name, figures[name], [found[i] for i in range(total)])
                yield Event(name, len(found), total)

    def _results(self, figures: Figures) -> Iterator[tuple[str, int, Any]]:
        """Yield the results of all figures, in order if they are measured here."""
        names = ((n, i) for n in self.config.only for i in range(len(figures[n].measurement)))
        if self.sweep is None:
            yield from ((*name, figures.measured(None, *name)) for name in names)
            return
        with self.sweep.calls(figures, default()) as calls:
            for name in names:
                calls.submit(name, Figures.measured, *name)
            for arrival in calls.arrivals(lambda: False):
                yield *arrival.name, arrival.result

    def _write(self, name: str, figure: Figure, results: list[Any]) -> None:
        rows = [row for result in results for row in result.rows()]
        self.folder.write(f"{name}.csv", table(list(rows[0]), rows))
        for drawn, drawing in figure.drawings.items():
            section = self._sections[drawn] = drawing.section(results)
            headline = section.partition("\n\n")[0]
            self.folder.write(f"{drawn}.png", drawing.draw(results, headline))
        text = summary(self.config, self.dataset.name, self._sections)
        self.folder.write("summary.md", text.encode())
