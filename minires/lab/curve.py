"""A curve that grows without end in bounded memory."""

from dataclasses import dataclass, field

MOST = 400  # points


@dataclass
class Curve:
    """Numbers by training step, as means over `stride` steps; the stride doubles as it grows.

    Attributes:
        stride: the steps of a point.
        means: of the whole points.
    """

    stride: int = 1
    means: list[float] = field(default_factory=list)
    _sum: float = 0.0
    _count: int = 0

    def add(self, value: float) -> None:
        """Add the number of the next step."""
        self._sum += value
        self._count += 1
        if self._count < self.stride:
            return
        self.means.append(self._sum / self._count)
        self._sum, self._count = 0.0, 0
        if len(self.means) == MOST:
            pairs = zip(self.means[::2], self.means[1::2], strict=True)
            self.means = [(a + b) / 2 for a, b in pairs]
            self.stride *= 2
