"""A model's name and settings: `resnet56` is parsed once, into a `NetSpec`, and carried as that."""

import re
import warnings
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from ..arguments import integer, is_one_of, shown
from ..errors import NameWarning, UsageError
from .blocks import Shortcut, expect_shortcut, expect_stride_in
from .cifar import CifarNet
from .preact import PreactNet
from .resnet import DEPTHS, ResNet

Family = Literal["cifar", "imagenet"]

KINDS = ("plain", "resnet", "preact")
CLASSES = {"cifar": 10, "imagenet": 1000}
PIXELS = {"cifar": 32, "imagenet": 224}  # height and width of the images
IMAGENET_NAMES = (*(f"resnet{depth}" for depth in DEPTHS), "plain18", "plain34")


@dataclass(frozen=True)
class NetSpec:
    """A net of the papers: its kind, its depth and its settings; `str` is its name in its family.

    Attributes:
        kind: "plain", "resnet" or "preact".
        depth: the number of layers with weights.
        family: "cifar", for images of 32x32 pixels, or "imagenet", for images of 224x224.
        shortcut: "A", "B" or "C" of a residual net, the paper's or torchvision's by default;
            None of other kinds.
        stride_in: where a bottleneck of the family imagenet has its stride, see `Bottleneck`.

    Raises:
        UsageError: there is no such kind, family or shortcut, or the kind has none to choose.
    """

    kind: str
    depth: int
    family: Family = "cifar"
    shortcut: Shortcut | None = None
    stride_in: str = "3x3"

    def __post_init__(self) -> None:
        if not (is_one_of(self.kind, KINDS) and is_one_of(self.family, CLASSES)):
            given = f"{shown(self.kind)} of the family {shown(self.family)}"
            known = f"{', '.join(KINDS)} of the family {' or '.join(CLASSES)}"
            raise UsageError(f"there is no net {given}; expected one of {known}")
        integer(self.depth, "depth", at_least=1)
        expect_shortcut(self.shortcut)
        expect_stride_in(self.stride_in)
        if self.kind == "resnet":
            usual = "A" if self.family == "cifar" else "B"
            object.__setattr__(self, "shortcut", self.shortcut or usual)
        elif self.shortcut is not None:
            raise UsageError(f"{self} has no shortcuts to choose, got shortcut {self.shortcut}")

    @classmethod
    def parse(
        cls,
        name: str,
        family: Family | Literal["any"] = "cifar",
        shortcut: Shortcut | None = None,
        stride_in: str = "3x3",
    ) -> "NetSpec":
        """Return the spec of a name such as plain20, resnet110, preact164 or cifar-resnet50.

        The nets of 50 and 152 layers are in both families. "cifar-resnet50" and "imagenet-resnet50"
        always mean the same net; "resnet50" is that of the family asked for.

        Args:
            name: a kind and a depth, and, before them, the family if one likes.
            family: "cifar", "imagenet", or "any": imagenet where it has that name, or else cifar.
            shortcut, stride_in: as for `NetSpec`.

        Warns:
            NameWarning: the name says nothing of the family, and both have it; unless imagenet is
            asked for.

        Raises:
            UsageError: the family has no net of that name, or the net has no shortcuts to choose.
        """
        if not (isinstance(name, str) and is_one_of(family, (*CLASSES, "any"))):
            given = f"{shown(name)} of the family {shown(family)}"
            raise UsageError(
                f"there is no net {given}; expected a name such as resnet20, and one of the "
                f"families {', '.join(CLASSES)} or any"
            )
        match = re.fullmatch(
            r"(?:(cifar|imagenet)-)?((plain|resnet|preact)([1-9][0-9]{0,5}))", name
        )
        said, short, kind, depth = match.groups() if match else ("", name, "", "0")
        having = _families_with(kind, int(depth))
        possible = [one for one in having if said in (None, one) and family in ("any", one)]
        if not possible:
            others = {one: short for one in having if one != family}
            raise UsageError(_unknown(name, family, others))
        spec = cls(kind, int(depth), possible[-1], shortcut, stride_in)
        if said is None and family != "imagenet" and len(having) == 2:
            warnings.warn(_which(spec), NameWarning, stacklevel=2)
        return spec

    def __str__(self) -> str:
        return f"{self.kind}{self.depth}"

    @property
    def name(self) -> str:
        """The name that means this net and no other in every command."""
        shared = self.family == "cifar" and str(self) in IMAGENET_NAMES
        return f"cifar-{self}" if shared else str(self)

    def image(self, in_channels: int = 3) -> tuple[int, int, int]:
        """Return the size (C, H, W) of the images that the family is made for."""
        side = PIXELS[self.family]
        return (3 if self.family == "imagenet" else in_channels, side, side)

    def build(
        self, num_classes: int | None = None, in_channels: int = 3, **how: Any
    ) -> CifarNet | PreactNet | ResNet:
        """Return the model with initial weights.

        Args:
            num_classes: logits; 10 for the family cifar, 1000 for imagenet by default.
            in_channels: of the images; those of the family imagenet have 3.
            how: norm, init and, for the family cifar, checkpoint_every; see `CifarNet`.

        Raises:
            UsageError: a depth, a shortcut or a `stride_in` that does not exist.
        """
        if num_classes is None:
            num_classes = CLASSES[self.family]
        if self.family == "imagenet":
            return ResNet(self.depth, self.shortcut, num_classes, self.stride_in, **how)
        if self.kind == "preact":
            return PreactNet(self.depth, num_classes, in_channels, **how)
        return CifarNet(self.depth, self.shortcut, num_classes, in_channels, **how)


def _period(kind: str) -> int:
    """Return the layers that one more block a stage adds in the family cifar."""
    return 9 if kind == "preact" else 6


def _families_with(kind: str, depth: int) -> list[Family]:
    """Return the families that have a net, cifar first."""
    period = _period(kind)
    small: list[Family] = ["cifar"] if kind and depth > period and depth % period == 2 else []
    large: list[Family] = ["imagenet"] if f"{kind}{depth}" in IMAGENET_NAMES else []
    return small + large


def _which(spec: NetSpec) -> str:
    """Return which of the two nets of its name a spec is."""
    other = "imagenet" if spec.family == "cifar" else "cifar"
    return (
        f"{spec} is taken for {spec.family}-{spec}, the net for images of {PIXELS[spec.family]}x"
        f"{PIXELS[spec.family]} pixels; {other}-{spec} is the one for {PIXELS[other]}x"
        f"{PIXELS[other]}"
    )


def _unknown(name: str, family: str, elsewhere: dict[Family, str]) -> str:
    """Return the message about a name that a family does not have, with those that it has.

    Args:
        name: as it was given.
        family: that was asked for.
        elsewhere: the name in each other family that has it.
    """
    large = ", ".join(IMAGENET_NAMES)
    if family == "imagenet":
        message = f"there is no net {name!r} for large images; there are: {large}"
    else:
        message = (
            f"there is no net {name!r}; expected plain or resnet and a depth of 6n + 2: plain20, "
            "plain56, resnet20, resnet32, resnet44, resnet56, resnet110, resnet1202, ..., or "
            "preact and a depth of 9n + 2: preact164, preact1001, ..."
        ) + (f"; or, for large images, one of {large}" if family == "any" else "")
    for other, short in elsewhere.items():
        return f"{message}; {short} is a net for images of {PIXELS[other]}x{PIXELS[other]} pixels"
    meant = _meant(name, family)
    return message + (f"; did you mean {meant}?" if meant else "")


def _meant(name: str, family: str) -> str | None:
    """Return the net of a family whose name is nearest to a misspelt one; None if none is near."""
    written = re.fullmatch(r"([a-z]+)([0-9]{1,6})", re.sub(r"[^a-z0-9]", "", name[:40].lower()))
    kinds = get_close_matches(written[1], KINDS, n=1) if written else []
    if not written or not kinds:
        return None
    kind, depth, period = kinds[0], int(written[2]), _period(kinds[0])
    small = [period * max(1, round((depth - 2) / period)) + 2]
    large = [int(n.removeprefix(kind)) for n in IMAGENET_NAMES if n.startswith(kind)]
    depths = {"cifar": small, "imagenet": large, "any": small + large}[family]
    return f"{kind}{min(depths, key=lambda one: abs(one - depth))}" if depths else None


def cifar_net(
    name: str,
    num_classes: int = 10,
    in_channels: int = 3,
    shortcut: Shortcut | None = None,
    **how: Any,
) -> CifarNet | PreactNet:
    """Return the model of a name such as plain20, resnet110 or preact164; see `NetSpec`.

    Raises:
        UsageError: there is no such net.
    """
    model = NetSpec.parse(name, shortcut=shortcut).build(num_classes, in_channels, **how)
    assert not isinstance(model, ResNet)
    return model


def imagenet_net(
    name: str,
    num_classes: int = 1000,
    shortcut: Shortcut | None = None,
    stride_in: str = "3x3",
    **how: Any,
) -> ResNet:
    """Return the model of a name such as resnet50 or plain34; see `NetSpec`.

    Raises:
        UsageError: there is no such net.
    """
    spec = NetSpec.parse(name, "imagenet", shortcut, stride_in)
    model = spec.build(num_classes, **how)
    assert isinstance(model, ResNet)
    return model
