"""The settings of a session: of its two nets, and those that they share."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from .. import data
from ..arguments import flag, integer, is_one_of, real, shown
from ..errors import UsageError
from ..models import NetSpec
from ..models.blocks import Shortcut
from ..nn import he_normal, xavier_normal

DATASETS = (*data.NAMES, "folder")
INITS = {"he": he_normal, "xavier": xavier_normal}
DEPTHS = (8, 110)
FACTORS = (0.01, 10.0)
RATES = (1e-5, 10.0)
MOMENTUM = (0.0, 0.99)
BATCHES = (2, 256)
GUIDES = 7


@dataclass(frozen=True)
class NetConfig:
    """The settings of one net.

    Attributes:
        net: plain or resnet and a depth of 6n + 2 from 8 to 110.
        shortcut: "A", "B" or "C" of a residual net; a plain one has none whatever it says.
        norm: whether it has batch norm.
        init: "he" or "xavier"; factor: initial weights are multiplied by it.
        standardised: see `Dataset.standardised`.
        lr, momentum: of SGD at the start.

    Raises:
        UsageError: a value is not one of those possible.
    """

    net: str = "resnet20"
    shortcut: Shortcut = "A"
    norm: bool = True
    init: str = "he"
    factor: float = 1.0
    standardised: bool = True
    lr: float = 0.01
    momentum: float = 0.9

    def __post_init__(self) -> None:
        if self.spec.kind not in ("plain", "resnet"):
            raise UsageError(f"net must be plain or resnet, got {shown(self.net)}")
        integer(self.spec.depth, f"the depth of {self.net}", *DEPTHS)
        flag(self.norm, "norm")
        if not is_one_of(self.init, INITS):
            raise UsageError(f"init must be {' or '.join(INITS)}, got {shown(self.init)}")
        real(self.factor, "factor", *FACTORS)
        flag(self.standardised, "standardised")
        real(self.lr, "lr", *RATES)
        real(self.momentum, "momentum", *MOMENTUM)

    @cached_property
    def spec(self) -> NetSpec:
        """The net, parsed; with the shortcut, if it has any."""
        found = NetSpec.parse(self.net)
        return replace(found, shortcut=self.shortcut) if found.shortcut else found


@dataclass(frozen=True)
class LabConfig:
    """The settings of a session.

    Attributes:
        nets: of its two nets.
        dataset: digits, cifar10 or folder, which is the one given to the command; images: how many
            of its training images, 0 for all.
        batch: images in a training step.
        seed: of the initial weights and of the images' order.
        guide: the guided experiment whose text stands beside it, from 1 on, or 0.

    Raises:
        UsageError: a value is not one of those possible.
    """

    nets: tuple[NetConfig, NetConfig] = (NetConfig("plain20"), NetConfig("resnet20"))
    dataset: str = "digits"
    images: int = 0
    batch: int = 32
    seed: int = 0
    guide: int = 0

    def __post_init__(self) -> None:
        if len(self.nets) != 2:
            raise UsageError(f"a session has two nets, got {len(self.nets)}")
        if not is_one_of(self.dataset, DATASETS):
            raise UsageError(f"dataset must be {', '.join(DATASETS)}; got {self.dataset!r:.80}")
        integer(self.images, "images", at_least=0)
        if self.images == 1:
            raise UsageError("images must be 0 or at least 2: batch norm cannot normalise one")
        integer(self.batch, "batch", *BATCHES)
        integer(self.seed, "seed", at_least=0)
        integer(self.guide, "guide", 0, GUIDES)


def limits() -> dict[str, Any]:
    """Return the ranges and choices of the settings, for a page to offer."""
    return {
        "depths": [d for d in range(DEPTHS[0], DEPTHS[1] + 1) if d % 6 == 2],
        "inits": list(INITS),
        "factor": FACTORS,
        "lr": RATES,
        "momentum": MOMENTUM,
        "batch": BATCHES,
    }
