"""The training errors of nets compared: the deepest with the shallowest, residual with plain."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...models import NetSpec
from ...train import Row

_SAME = 1.2  # below this ratio a deeper net's error is about that of a shallower one


@dataclass(frozen=True)
class Comparison:
    """The mean training error of a net, in %, against that of a reference net."""

    net: NetSpec
    reference: NetSpec
    error: float
    reference_error: float

    @property
    def ratio(self) -> float:
        """The error over that of the reference; infinite where the latter is 0."""
        return self.error / self.reference_error if self.reference_error > 0 else math.inf

    @property
    def verdict(self) -> str:
        """The error, in words; two depths of one kind are compared more coarsely than two kinds."""
        if self.net.kind != self.reference.kind:
            return "lower" if self.error < self.reference_error else "not lower"
        if self.error <= self.reference_error:
            return "not higher"
        return "about the same" if self.error < _SAME * self.reference_error else "higher"

    @property
    def is_degradation(self) -> bool:
        """Whether a deeper plain net has a higher training error than a shallower one."""
        return self.net.kind == "plain" and self.verdict == "higher"


def by_net(rows: Sequence[Row]) -> dict[NetSpec, list[Row]]:
    """Return the rows of each net."""
    nets = {name: NetSpec.parse(name) for name in dict.fromkeys(row.net for row in rows)}
    return {spec: [row for row in rows if row.net == name] for name, spec in nets.items()}


def latest(rows: Sequence[Row]) -> dict[NetSpec, list[Row]]:
    """Return the latest row of each seed, by net."""
    return {net: list({r.seed: r for r in rows}.values()) for net, rows in by_net(rows).items()}


def compare(nets: Mapping[NetSpec, Sequence[Row]]) -> list[Comparison]:
    """Return each kind's deepest net against its shallowest, and residual against plain nets.

    Args:
        nets: a row a seed, by net.
    """
    ordered = sorted(nets, key=lambda net: net.depth)
    pairs = []
    for kind in ("plain", "resnet", "preact"):
        of_kind = [net for net in ordered if net.kind == kind]
        pairs += [(net, of_kind[0]) for net in of_kind[1:][-1:]]
    both = [(NetSpec("resnet", net.depth), net) for net in ordered if net.kind == "plain"]
    pairs += [(residual, plain) for residual, plain in both if residual in nets]
    errors = {net: statistics.mean(row.train_error for row in rows) for net, rows in nets.items()}
    return [Comparison(net, other, errors[net], errors[other]) for net, other in pairs]
