"""landscape.csv: the points of a landscape run so far, a line each, in their order."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from ...errors import RunError
from ...files import previous
from ...runs import RunFolder
from ...runs.checksum import undamaged
from ...runs.table import columns, read_table, table
from ...train.values import check_value
from .surface import Point

_NAME = "landscape.csv"


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


def write_points(folder: RunFolder, points: Mapping[str, Sequence[Point]]) -> None:
    """Write the points of each net."""
    rows = ({"net": net, **asdict(p)} for net, of_net in points.items() for p in of_net)
    folder.write_with_checksum(_NAME, table(columns(Line), rows))


def read_points(folder: RunFolder, order: Sequence[tuple[str, float, float]]) -> list[Line]:
    """Return the lines on the disk.

    Args:
        folder: the run's.
        order: net, alpha and beta of all points of the run, of which the file has the first.

    Raises:
        RunError: the file is damaged, or its points are not these.
    """
    path = folder.path / _NAME
    written = path.exists() or previous(path).exists()
    lines = read_table(undamaged(path), Line, "a landscape", Line.check) if written else []
    if [(line.net, line.alpha, line.beta) for line in lines] != list(order)[: len(lines)]:
        raise RunError(
            f"{path} was altered: its points are not those of this run, in their order; remove "
            "it to compute them again"
        )
    return lines
