"""A landscape run: the loss surfaces around several nets, saved point by point.

    config.json     the settings, written first
    training/       the run that trains the nets, where none was given
    landscape.csv   the points so far, a line each; with a checksum, and the file before
    landscape.png   the surfaces that are complete
    summary.md      the report on these

A run that was killed is resumed after the last line of landscape.csv.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...data import Dataset
from ...errors import NonFiniteError, RunError, UsageError
from ...files import previous
from ...runs import RunFolder
from ...runs.checksum import undamaged
from ...runs.config import check_same_options, parse_config
from ...runs.machine import check_same_machine, machine
from ...runs.table import columns, read_table, table
from ...train.values import check_value
from ..degradation import Degradation
from .config import LandscapeConfig, LoadData
from .figure import landscape_figure
from .report import caption, summary, title
from .surface import (
    Point,
    Surface,
    axis,
    batch_of,
    classification,
    coordinates,
    directions,
    surface,
)

_KIND = "landscape"  # tells a run's config.json from those of other commands


@dataclass(frozen=True)
class Line:
    """A line of landscape.csv: a point of the surface around `net`; see `Point`."""

    net: str
    alpha: float
    beta: float
    loss: float
    error: float

    def check(self) -> None:
        """Raise ValueError for a loss or an error that no net has."""
        check_value("loss", self.loss, float)
        check_value("error", self.error, float, least=0, most=100)


@dataclass(frozen=True)
class Event:
    """`done` of `total` points of `net` are known; `point` was computed now, or is None."""

    net: str
    done: int
    total: int
    point: Point | None


class Landscape:
    """A run, made with `start` or `resume`.

    To compute it, run the training of the nets, where `training` returns one, and then `run`.

    Attributes:
        stopped: whether `run` ended because it was asked to, with something left to compute.
    """

    def __init__(self, config: LandscapeConfig, folder: RunFolder, dataset: Dataset) -> None:
        self.config = config
        self.folder = folder
        self.dataset = dataset
        self.axis = axis(config.points, config.span)
        self.stopped = False
        self._points: dict[str, list[Point]] = {net: [] for net in config.nets}

    @classmethod
    def start(cls, config: LandscapeConfig, out: Path, load_data: LoadData) -> "Landscape":
        """Make a new run folder and the run in it.

        Args:
            config: its settings.
            out: the folder.
            load_data: loads the data that the nets are trained on.

        Raises:
            UsageError: `out` holds something already, the data are too few or not those of the
            run with the nets, or it has not all the nets; RunError: a folder cannot be used.
        """
        dataset = config.data(out, load_data)
        batch_of(dataset, config.images, config.seed)  # raises before anything is trained
        sha = config.digests(out, dataset)
        facts = {"experiment": _KIND, **asdict(config), "data": dataset.name, "weights_sha256": sha}
        facts["machine"] = machine()
        return cls(config, RunFolder.create(out, facts), dataset)

    @classmethod
    def resume(cls, asked: dict[str, Any], out: Path, load_data: LoadData) -> "Landscape":
        """Return the run in the folder `out`, to be continued.

        Args:
            asked: fields of LandscapeConfig the user gave again; each must be what the run has.
            out: the folder.
            load_data: loads the data that the nets are trained on.

        Raises:
            UsageError: no such run there, another configuration, other data or other nets;
            RunError: a file was altered.
        """
        folder, facts = RunFolder.open(out)
        if facts.get("experiment") != _KIND:
            raise UsageError(f"the run in {out} is not one of minires landscape")
        config = parse_config(LandscapeConfig, facts, out)
        check_same_options(config, asked, out)
        check_same_machine(facts, out)
        run = cls(config, folder, config.data(out, load_data))
        if facts.get("weights_sha256") != config.digests(out, run.dataset):
            raise UsageError(
                f"the nets in {config.run} are not those that the run in {out} was started on"
            )
        run._read()
        return run

    def training(self) -> Degradation | None:
        """Return the training of the nets that is left; None where all are trained."""
        if self.config.run is not None or self.config.trained(self.folder.path):
            return None
        source = self.config.source(self.folder.path)
        if (source / "config.json").exists():
            return Degradation.resume({}, source, lambda _: self.dataset)
        return Degradation.start(self.config.training(), self.dataset, source)

    def run(self, stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Compute the points that are left; save them and write the report on the way.

        Args:
            stop: called after every point; True saves the points and ends the run.

        Yields:
            For each net the points on the disk at once, then every point computed.

        Raises:
            RunError: another process works in the folder, or it cannot be written.
            NonFiniteError: the loss is NaN or infinite somewhere.
        """
        with self.folder.locked():
            self._read()  # again: another process may have computed more until now
            yield from self._run(stop)

    def _run(self, stop: Callable[[], bool]) -> Iterator[Event]:
        measure = classification(*batch_of(self.dataset, self.config.images, self.config.seed))
        total = self.config.points**2
        for net, points in self._points.items():
            yield Event(net, len(points), total, None)
            model = self.config.model(net, self.folder.path, self.dataset)
            along = directions(model, self.config.seed)
            for point in surface(model, along, self.axis, measure, known=tuple(points)):
                if not math.isfinite(point.loss):
                    raise NonFiniteError(
                        f"{net}: the loss is {point.loss} at {point.alpha:g}, {point.beta:g}; a "
                        "smaller --span usually helps"
                    )
                points.append(point)
                stopping = stop()
                if len(points) % self.config.points == 0 or stopping:
                    self._write()
                yield Event(net, len(points), total, point)
                if stopping and not self.finished:
                    self.stopped = True
                    break
            self.report()
            if self.stopped:
                return

    @property
    def finished(self) -> bool:
        """Whether all points are known."""
        return all(len(points) == self.config.points**2 for points in self._points.values())

    def report(self) -> None:
        """Write landscape.png and summary.md, of the surfaces that are complete."""
        complete = {
            net: Surface.of(self.axis, points)
            for net, points in self._points.items()
            if len(points) == self.config.points**2
        }
        if complete:
            titled = {title(net, surface): surface for net, surface in complete.items()}
            figure = landscape_figure(titled, caption(self.config, self.dataset))
            self.folder.write("landscape.png", figure)
            text = summary(self.config, self.dataset, complete)
            self.folder.write("summary.md", text.encode())

    def _write(self) -> None:
        rows = ({"net": net, **asdict(p)} for net, points in self._points.items() for p in points)
        self.folder.write_with_checksum("landscape.csv", table(columns(Line), rows))

    def _read(self) -> None:
        """Read the points on the disk; raises RunError where they cannot be this run's."""
        path = self.folder.path / "landscape.csv"
        written = path.exists() or previous(path).exists()
        lines = read_table(undamaged(path), Line, "a landscape", Line.check) if written else []
        order = [(net, *pair) for net in self.config.nets for pair in coordinates(self.axis)]
        if [(line.net, line.alpha, line.beta) for line in lines] != order[: len(lines)]:
            raise RunError(
                f"{path} was altered: its points are not those of this run, in their order; remove "
                "it to compute them again"
            )
        for points in self._points.values():
            points.clear()
        for line in lines:
            point = Point(line.alpha, line.beta, line.loss, line.error)
            self._points[line.net].append(point)
