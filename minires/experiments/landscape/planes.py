"""The planes of a landscape run: their points, computed in this process or on a worker."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ...backend import Array
from ...data import Dataset
from ...models import cifar_net
from ...nn import Module
from ...parallel.sweeps_worker import Link
from .config import LandscapeConfig
from .surface import (
    Direction,
    Measure,
    Point,
    axis,
    batch_of,
    classification,
    coordinates,
    directions,
    points_at,
)


@dataclass(frozen=True)
class Planes:
    """A plane around each net of a run.

    Attributes:
        config: the run's settings.
        dataset: what the nets were trained on.
        weights: of each net, by name.
    """

    config: LandscapeConfig
    dataset: Dataset
    weights: dict[str, dict[str, Array]]
    _made: dict[str, tuple[Module, tuple[Direction, Direction], Measure]] = field(
        default_factory=dict, init=False
    )

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave out what is made: a worker sends this on while its model is being moved."""
        return Planes, (self.config, self.dataset, self.weights)

    def points(self, net: str, first: int, last: int) -> Iterator[Point]:
        """Compute the points `first` to `last` - 1 of a plane, in the order of `coordinates`."""
        if net not in self._made:
            self._made.clear()  # one net after the other
            self._made[net] = self._plane(net)
        model, along, measure = self._made[net]
        steps = axis(self.config.points, self.config.span)
        return points_at(model, along, coordinates(steps)[first:last], measure)

    def piece(self, link: Link, net: str, first: int, last: int) -> list[Point]:
        """Compute the same on a worker; return those before the client asked to stop."""
        found = []
        for point in self.points(net, first, last):
            found.append(point)
            if link.stopping():
                break
        return found

    def _plane(self, net: str) -> tuple[Module, tuple[Direction, Direction], Measure]:
        config, dataset = self.config, self.dataset
        model = cifar_net(net, len(dataset.classes), dataset.channels)
        model.load_state_dict(self.weights[net])
        measure = classification(*batch_of(dataset, config.images, config.seed))
        return model.eval(), directions(model, config.seed), measure
