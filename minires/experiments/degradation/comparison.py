"""The training errors of nets compared: the deepest with the shallowest, residual with plain."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...models.cifar import parse_name
from ...runs import Row

_SAME = 1.2  # errors whose ratio is below this are called about the same


@dataclass(frozen=True)
class Comparison:
    """The mean training error of a net, in %, against that of a reference net."""

    net: str
    reference: str
    error: float
    reference_error: float

    @property
    def ratio(self) -> float:
        """The error over that of the reference; infinite where the latter is 0."""
        return self.error / self.reference_error if self.reference_error > 0 else math.inf

    @property
    def verdict(self) -> str:
        """The error is "lower", "about the same" or "higher"."""
        low, high = sorted((self.error, self.reference_error))
        if low == high or high < _SAME * low:
            return "about the same"
        return "higher" if self.error == high else "lower"

    @property
    def is_degradation(self) -> bool:
        """Whether a deeper plain net has a higher training error than a shallower one."""
        return parse_name(self.net)[0] == "plain" and self.verdict == "higher"


def compare(nets: Mapping[str, Sequence[Row]]) -> list[Comparison]:
    """Return each kind's deepest net against its shallowest, and residual against plain nets.

    Args:
        nets: a row a seed, by net.
    """
    errors = {net: statistics.mean(row.train_error for row in rows) for net, rows in nets.items()}
    ordered = sorted(nets, key=lambda net: parse_name(net)[1])
    pairs = []
    for kind in ("plain", "resnet", "preact"):
        of_kind = [net for net in ordered if parse_name(net)[0] == kind]
        pairs += [(net, of_kind[0]) for net in of_kind[1:][-1:]]
    same_depth = [(net, net.replace("resnet", "plain")) for net in ordered if "resnet" in net]
    pairs += [(net, plain) for net, plain in same_depth if plain in nets]
    return [Comparison(net, other, errors[net], errors[other]) for net, other in pairs]
