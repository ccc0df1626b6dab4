"""A run of `minires flow`: the figures that were asked for, one after the other, in a folder."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...backend import blas_threads, manual_seed
from ...data import Dataset
from ...data.dataset import Epoch, training_batch
from ...errors import UsageError, expect
from ...models import NetSpec, cifar_net
from ...nn import Module
from ...runs import RunFolder
from ...runs.config import option
from ...runs.table import table
from ..degradation.config import NETS, Config
from ..degradation.trained import config_of, trained
from .cures import Cures
from .figure import flow_figure
from .findings import of_flow, of_paths, of_responses, of_shattered
from .paths import Paths
from .paths_figure import paths_figure
from .responses import Responses
from .responses_figure import responses_figure
from .shattered import Shattered
from .shattered_figure import shattered_figure

FIGURES = ("flow", "responses", "shattered", "paths")
_BATCH = 32  # images whose gradient is followed along paths


@dataclass(frozen=True)
class FlowConfig:
    """What a run was asked for.

    Attributes:
        nets: names such as plain20 and resnet56.
        steps: of training, over which the flow is followed.
        seed: of all that is drawn; with `run`, of the nets to take from there.
        dataset: "digits" or "cifar10".
        size: the height in pixels to which images are enlarged for the flow.
        only: which figures to make.
        run: the folder of a finished run of the degradation experiment on the same data: its
            nets are those of figure 7, and those whose paths are followed.

    Raises:
        UsageError: a value that cannot be meant, or there is no such run;
        RunError: its configuration was altered.
    """

    nets: tuple[str, ...] = option(
        NETS, "plain or resnet and a depth of 6n + 2, by commas: plain20,resnet110."
    )
    steps: int = option(10, "Training steps over which the flow is followed; {default} by default.")
    seed: int = option(0, "Of weights, images and draws; {default} by default.")
    dataset: str = option("digits", "digits (shipped, the default) or cifar10.")
    size: int = option(
        32,
        "Height to which images are enlarged for the flow, a multiple of their own; {default} by "
        "default.",
    )
    only: tuple[str, ...] = option(FIGURES, f"Figures to make, by commas: {','.join(FIGURES)}.")
    run: Path | None = option(
        None, "Take responses and paths from the models of a finished degradation run."
    )

    def __post_init__(self) -> None:
        specs = Config(self.dataset, self.nets, seeds=(self.seed,)).specs  # raises what it raises
        expect(self.steps >= 0, UsageError, f"steps must be at least 0, got {self.steps}")
        expect(len(self.only) > 0, UsageError, f"at least one figure of {', '.join(FIGURES)}")
        for name in self.only:
            expect(
                name in FIGURES,
                UsageError,
                f"there is no figure {name!r}; there are: {', '.join(FIGURES)}",
            )
        expect(
            len(set(self.only)) == len(self.only),
            UsageError,
            f"a figure is given twice in {', '.join(self.only)}",
        )
        expect(
            "paths" not in self.only or len(self.residual) > 0,
            UsageError,
            f"paths are those of residual nets, but the nets are {', '.join(self.nets)}; "
            "add one, or choose figures with --only flow,responses,shattered",
        )
        odd = [str(net) for net in specs if net.kind == "preact"]
        expect(
            "responses" not in self.only or not odd,
            UsageError,
            f"responses are those of plain and residual nets, but {', '.join(odd)} normalises "
            "before its layers; leave it out, or choose figures with --only flow,shattered,paths",
        )
        if self.run is not None:
            found = config_of(self.run).dataset
            expect(
                found == self.dataset,
                UsageError,
                f"the run in {self.run} is on {found}, but the dataset is {self.dataset}",
            )

    @property
    def residual(self) -> tuple[str, ...]:
        """Those of the nets that have shortcuts."""
        return tuple(net for net in self.nets if NetSpec.parse(net).kind == "resnet")


@dataclass(frozen=True)
class Figure:
    """A figure to make.

    Attributes:
        measurement: what gives one result after the other, and has a length.
        draw: makes the picture file of all results, with a sentence above.
        words: what the results show; the first sentence stands above the picture.
    """

    measurement: Any
    draw: Callable[[list[Any], str], bytes]
    words: Callable[[list[Any]], list[str]]


@dataclass(frozen=True)
class Event:
    """How far a figure is: `done` of `total` measurements."""

    figure: str
    done: int
    total: int


class FlowRun:
    """A run: made with `start`, then `run`."""

    def __init__(self, config: FlowConfig, dataset: Dataset, folder: RunFolder) -> None:
        self.config = config
        self.dataset = dataset
        self.folder = folder
        self._words: dict[str, list[str]] = {}

    @classmethod
    def start(cls, config: FlowConfig, dataset: Dataset, out: Path) -> "FlowRun":
        """Begin a run in the folder `out`.

        Raises:
            UsageError: `out` holds something already, images cannot be enlarged to that size, or
            a trained net is missing; RunError: `out` cannot be written;
            DataError, StateDictError: the weights of a trained net cannot be read.
        """
        dataset.enlarged(config.size)
        if config.run is not None:
            for net in config.nets:  # before time is spent on other figures
                trained(config.run, net, config.seed, len(dataset.classes), dataset.channels)
        expect(
            not RunFolder(out).holds_anything(),
            UsageError,
            f"{out} is not empty; choose another --out",
        )
        facts = {
            "experiment": "flow",
            **asdict(config),
            "run": config.run and str(config.run),
            "data_sha256": dataset.digest,
        }
        return cls(config, dataset, RunFolder.create(out, facts))

    def run(self) -> Iterator[Event]:
        """Measure what was asked for; each figure is written as soon as it is measured.

        Raises:
            NonFiniteError: a net could not be trained for figure 7.
        """
        with blas_threads(1):  # the products are small: a second thread gains nothing
            for name in self.config.only:
                figure = self._figure(name)
                total = len(figure.measurement)
                yield Event(name, 0, total)
                results = []
                for result in figure.measurement:
                    results.append(result)
                    if len(results) < total:
                        yield Event(name, len(results), total)
                self._write(name, figure, results)
                yield Event(name, total, total)

    def _figure(self, name: str) -> Figure:
        config, dataset = self.config, self.dataset
        if name == "flow":
            images = dataset.enlarged(config.size)
            return Figure(
                Cures(images, config.nets, config.steps, config.seed), flow_figure, of_flow
            )
        if name == "responses":
            nets = Responses(dataset, config.nets, config.seed, config.run)
            return Figure(nets, responses_figure, lambda found: of_responses(found, nets.training))
        if name == "shattered":
            return Figure(Shattered(seed=config.seed), shattered_figure, of_shattered)
        batch = training_batch(dataset, Epoch.draw(dataset, config.seed, 0), slice(_BATCH))
        paths = Paths({net: self._net(net) for net in config.residual}, *batch, seed=config.seed)
        state = "at initialisation" if config.run is None else "after training"
        return Figure(paths, paths_figure, lambda found: of_paths(found, state))

    def _net(self, net: str) -> Module:
        classes, channels = len(self.dataset.classes), self.dataset.channels
        if self.config.run is not None:
            return trained(self.config.run, net, self.config.seed, classes, channels).train()
        manual_seed(self.config.seed)
        return cifar_net(net, classes, channels)

    def _write(self, name: str, figure: Figure, results: list[Any]) -> None:
        rows = [row for result in results for row in result.rows()]
        self._words[name] = figure.words(results)
        self.folder.write(f"{name}.csv", table(list(rows[0]), rows))
        self.folder.write(f"{name}.png", figure.draw(results, self._words[name][0]))
        self.folder.write("summary.md", self._summary().encode())

    def _summary(self) -> str:
        config = self.config
        settings = f"Nets {', '.join(config.nets)}; seed {config.seed}"
        if "flow" in config.only:
            settings += (
                f"; for the flow, images enlarged to {config.size} pixels and SGD, steps "
                f"{config.steps}, batch {Cures.batch_size}, learning rate {Cures.lr:g}"
            )
        parts = [f"# Gradient flow on {self.dataset.name}", f"{settings}."]
        for name, sentences in self._words.items():
            parts += [f"## {name}.png", *sentences]
        return "\n\n".join(parts) + "\n"
