"""A gradient flow run: the figures that were asked for, one after the other, in a folder."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ...backend import manual_seed
from ...data import Dataset
from ...errors import UsageError
from ...kernels import blas_threads
from ...models import NetSpec
from ...nn import Module
from ...runs import RunFolder
from ...runs.machine import machine
from ...runs.table import table
from ..degradation import trained_model
from .ablations import Ablations
from .ablations_figure import ablations_figure
from .config import FlowConfig
from .figures import paths_figure, responses_figure, shattered_figure
from .paths import Paths
from .report import ablations_section, paths_section, responses_section, shattered_section, summary
from .responses import Responses
from .shattered import Shattered

_BATCH = 32  # images whose gradient is followed along paths


@dataclass(frozen=True)
class Figure:
    """How a figure is measured, drawn below a sentence, and described in a part of the report."""

    measurement: Any
    draw: Callable[[list[Any], str], bytes]
    section: Callable[[list[Any]], str]


@dataclass(frozen=True)
class Event:
    """The progress of a figure: `done` of `total` measurements."""

    figure: str
    done: int
    total: int


@dataclass(frozen=True)
class FlowRun:
    """A run, made with `start`; `run` computes it."""

    config: FlowConfig
    dataset: Dataset
    folder: RunFolder
    _sections: dict[str, str] = field(default_factory=dict)

    @classmethod
    def start(cls, config: FlowConfig, dataset: Dataset, out: Path) -> "FlowRun":
        """Make a new run folder and the run in it.

        Args:
            config: its settings.
            dataset: the data named there.
            out: the folder.

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
        return cls(config, dataset, RunFolder.create(out, {**facts, "machine": machine()}))

    def run(self) -> Iterator[Event]:
        """Measure what was asked for; write each figure as soon as it is measured.

        Yields:
            The progress after every measurement.

        Raises:
            NonFiniteError: a net could not be trained for the layer responses.
            RunError: another process works in the folder, or it cannot be written.
        """
        # The products are small: a second BLAS thread gains nothing.
        with self.folder.locked(), blas_threads(1):
            for name in self.config.only:
                figure = self._figure(name)
                total = len(figure.measurement)
                yield Event(name, 0, total)
                results = []
                for result in figure.measurement:
                    results.append(result)
                    if len(results) == total:
                        self._write(name, figure, results)
                    yield Event(name, len(results), total)

    def _figure(self, name: str) -> Figure:
        config, dataset = self.config, self.dataset
        if name == "flow":
            images = dataset.enlarged(config.size)
            flows = Ablations(images, config.nets, config.steps, config.seed)
            return Figure(flows, ablations_figure, partial(ablations_section, config.specs))
        if name == "responses":
            nets = Responses(dataset, config.specs, config.seed, config.run)
            return Figure(nets, responses_figure, lambda r: responses_section(r, nets.training))
        if name == "shattered":
            return Figure(Shattered(seed=config.seed), shattered_figure, shattered_section)
        batch = next(dataset.training_batches(_BATCH, config.seed, epoch=0))
        models = {str(net): self._model(net) for net in config.residual}
        paths = Paths(models, *batch, seed=config.seed)
        state = "at initialisation" if config.run is None else "after training"
        return Figure(paths, paths_figure, lambda found: paths_section(found, state))

    def _model(self, net: NetSpec) -> Module:
        classes, channels = len(self.dataset.classes), self.dataset.channels
        if self.config.run is not None:
            run, seed = self.config.run, self.config.seed
            return trained_model(run, str(net), seed, classes, channels).train()
        manual_seed(self.config.seed)
        return net.build(classes, channels)

    def _write(self, name: str, figure: Figure, results: list[Any]) -> None:
        rows = [row for result in results for row in result.rows()]
        section = self._sections[name] = figure.section(results)
        self.folder.write(f"{name}.csv", table(list(rows[0]), rows))
        headline = section.partition("\n\n")[0]
        self.folder.write(f"{name}.png", figure.draw(results, headline))
        text = summary(self.config, self.dataset.name, self._sections)
        self.folder.write("summary.md", text.encode())
