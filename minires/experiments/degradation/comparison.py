"""The training errors of nets compared: the deepest with the shallowest, residual with plain."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...models import NetSpec
from ...train import Row

KINDS = {"plain": "plain nets", "resnet": "residual nets", "preact": "pre-activation nets"}
_SAME = 1.2  # below this ratio a deeper net's error is about that of a shallower one


@dataclass(frozen=True)
class Comparison:
    """The mean training error of a net, in %, against that of a reference net.

    Attributes:
        close: whether other seeds could well turn the order round: the errors of the seeds
            overlap, or, with one seed, one error is less than twice the other.
    """

    net: NetSpec
    reference: NetSpec
    error: float
    reference_error: float
    close: bool

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
    for kind in KINDS:
        of_kind = [net for net in ordered if net.kind == kind]
        pairs += [(net, of_kind[0]) for net in of_kind[1:][-1:]]
    both = [(NetSpec("resnet", net.depth), net) for net in ordered if net.kind == "plain"]
    pairs += [(residual, plain) for residual, plain in both if residual in nets]
    errors = {net: [row.train_error for row in rows] for net, rows in nets.items()}
    return [_compared(net, other, errors[net], errors[other]) for net, other in pairs]


def _compared(net: NetSpec, other: NetSpec, errors: list[float], others: list[float]) -> Comparison:
    error, reference_error = statistics.mean(errors), statistics.mean(others)
    if len(errors) == len(others) == 1:
        close = max(error, reference_error) < 2 * min(error, reference_error)
    else:
        close = min(errors) <= max(others) and min(others) <= max(errors)
    return Comparison(net, other, error, reference_error, close)


def finding(compared: Sequence[Comparison]) -> str:
    """Return in a sentence what depth does to each kind of net; "" if it is compared in none."""
    parts = []
    for c in compared:
        if c.net.kind == c.reference.kind:
            harms = c.verdict == "higher"
            verb = "does not harm" if not harms else "hardly harms" if c.close else "harms"
            errors = f"training error {c.reference_error:.1f} % of {c.reference}"
            parts.append(f"{verb} the {KINDS[c.net.kind]} ({errors}, {c.error:.1f} % of {c.net})")
    return f"Depth {', and it '.join(parts)}." if parts else ""
