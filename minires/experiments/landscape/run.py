"""A landscape run: the loss surfaces around several nets, saved point by point.

    config.json     the settings, written first
    training/       the run that trains the nets, where none was given
    landscape.csv   the points so far, a line each; with a checksum, and the file before
    landscape.png   the surfaces that are complete
    summary.md      the report on these

A run that was killed is resumed after the last line of landscape.csv.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from ...backend import default
from ...data import Dataset
from ...errors import NonFiniteError, UsageError
from ...parallel.sweeps import Sweep, machine_of
from ...runs import RunFolder
from ...runs.config import check_same_options, parse_config
from ...runs.machine import check_same_machine
from ..degradation import Degradation
from .config import LandscapeConfig, LoadData
from .figure import landscape_figure
from .planes import Planes
from .points_file import read_points, write_points
from .report import caption, summary, title
from .surface import Point, Surface, axis, batch_of, coordinates

_KIND = "landscape"  # tells a run's config.json from those of other commands


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

    def __init__(
        self,
        config: LandscapeConfig,
        folder: RunFolder,
        dataset: Dataset,
        sweep: Sweep | None = None,
    ) -> None:
        self.config = config
        self.folder = folder
        self.dataset = dataset
        self.sweep = sweep
        self.axis = axis(config.points, config.span)
        self.stopped = False
        self._points: dict[str, list[Point]] = {net: [] for net in config.nets}

    @classmethod
    def start(
        cls, config: LandscapeConfig, out: Path, load_data: LoadData, sweep: Sweep | None = None
    ) -> "Landscape":
        """Make a new run folder and the run in it.

        Args:
            config: its settings.
            out: the folder.
            load_data: loads the data that the nets are trained on.
            sweep: the workers that train and compute; None to do it here.

        Raises:
            UsageError: `out` holds something already, the data are too few or not those of the
            run with the nets, or it has not all the nets; RunError: a folder cannot be used.
        """
        dataset = config.data(out, load_data)
        batch_of(dataset, config.images, config.seed)  # raises before anything is trained
        sha = config.digests(out, dataset)
        facts = {"experiment": _KIND, **asdict(config), "data": dataset.name, "weights_sha256": sha}
        facts["machine"] = machine_of(sweep)
        return cls(config, RunFolder.create(out, facts), dataset, sweep)

    @classmethod
    def resume(
        cls, asked: dict[str, Any], out: Path, load_data: LoadData, sweep: Sweep | None = None
    ) -> "Landscape":
        """Return the run in the folder `out`, to be continued.

        Args:
            asked: fields of LandscapeConfig the user gave again; each must be what the run has.
            out: the folder.
            load_data, sweep: as for `start`.

        Raises:
            UsageError: no such run there, another configuration, other data or other nets;
            RunError: a file was altered.
        """
        folder, facts = RunFolder.open(out)
        if facts.get("experiment") != _KIND:
            raise UsageError(f"the run in {out} is not one of minires landscape")
        config = parse_config(LandscapeConfig, facts, out)
        check_same_options(config, asked, out)
        run = cls(config, folder, config.data(out, load_data), sweep)
        if facts.get("weights_sha256") != config.digests(out, run.dataset):
            raise UsageError(
                f"the nets in {config.run} are not those that the run in {out} was started on"
            )
        check_same_machine(folder, facts, machine_of(sweep))
        run._read()
        return run

    def training(self) -> Degradation | None:
        """Return the training of the nets that is left; None where all are trained."""
        if self.config.run is not None or self.config.trained(self.folder.path):
            return None
        source = self.config.source(self.folder.path)
        if (source / "config.json").exists():
            return Degradation.resume({}, source, lambda _: self.dataset, sweep=self.sweep)
        return Degradation.start(self.config.training(), self.dataset, source, sweep=self.sweep)

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
            yield from (
                self._here(stop) if self.sweep is None else self._on_workers(self.sweep, stop)
            )

    def _planes(self) -> Planes:
        nets = {n: self.config.model(n, self.folder.path, self.dataset) for n in self._points}
        weights = {net: model.state_dict() for net, model in nets.items()}
        return Planes(self.config, self.dataset, weights)

    def _here(self, stop: Callable[[], bool]) -> Iterator[Event]:
        """Compute one point after the other."""
        planes, total = self._planes(), self.config.points**2
        for net, points in self._points.items():
            yield Event(net, len(points), total, None)
            for point in planes.points(net, len(points), total):
                self._add(net, point)
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

    def _on_workers(self, sweep: Sweep, stop: Callable[[], bool]) -> Iterator[Event]:
        """Compute rows of points on workers; they are kept in their order."""
        total, row = self.config.points**2, self.config.points
        pieces: deque[tuple[str, int, int]] = deque()
        for net, points in self._points.items():
            yield Event(net, len(points), total, None)
            bounds = [len(points), *range((len(points) // row + 1) * row, total + 1, row)]
            pieces.extend((net, *pair) for pair in pairwise(bounds))
        arrived: dict[tuple[str, int, int], list[Point]] = {}
        with sweep.calls(self._planes(), default()) as calls:
            for piece in pieces:
                calls.submit(piece, Planes.piece, *piece)
            for arrival in calls.arrivals(stop):
                arrived[arrival.name] = arrival.result
                while pieces and pieces[0] in arrived:
                    net, _, last = piece = pieces.popleft()
                    for point in arrived.pop(piece):
                        self._add(net, point)
                        yield Event(net, len(self._points[net]), total, point)
                    self._write()
                    if len(self._points[net]) < last:  # stopped within it: none can follow
                        pieces.clear()
                    elif last == total:
                        self.report()
        self.stopped = not self.finished
        self.report()

    def _add(self, net: str, point: Point) -> None:
        """Keep a point; raise NonFiniteError for a loss that is not finite."""
        if not math.isfinite(point.loss):
            raise NonFiniteError(
                f"{net}: the loss is {point.loss} at {point.alpha:g}, {point.beta:g}; a smaller "
                "--span usually helps"
            )
        self._points[net].append(point)

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
        write_points(self.folder, self._points)

    def _read(self) -> None:
        """Read the points on the disk; raises RunError where they cannot be this run's."""
        order = [(net, *pair) for net in self.config.nets for pair in coordinates(self.axis)]
        lines = read_points(self.folder, order)
        for points in self._points.values():
            points.clear()
        for line in lines:
            self._points[line.net].append(Point(line.alpha, line.beta, line.loss, line.error))
