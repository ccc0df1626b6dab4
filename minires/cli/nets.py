"""Nets as commands are given them."""

from typing import Any

from ..errors import UsageError
from ..models.cifar import cifar_net
from ..models.resnet import NAMES, imagenet_net
from ..nn import Module

Image = tuple[int, int, int]


def net_of(
    name: str,
    shortcut: str | None,
    num_classes: int | None = None,
    in_channels: int = 3,
    stride_in: str = "3x3",
) -> tuple[Module, Image]:
    """The net of a name, and the images (channels, height, width) it was made for.

    Args:
        name: resnet50, plain18, ...; other depths are those for CIFAR-10.
        shortcut: "A", "B" or "C"; None for the usual one.
        num_classes: None for as many as ImageNet or CIFAR-10 have.
        in_channels: of small images; large ones have 3.
        stride_in: see `Bottleneck`.

    Raises:
        UsageError: there is no such net, or it has no shortcuts to choose.
    """
    if shortcut is not None and name.startswith("plain"):
        raise UsageError(f"{name} has no shortcuts; leave --shortcut out")
    how: dict[str, Any] = {} if shortcut is None else {"shortcut": shortcut}
    how |= {} if num_classes is None else {"num_classes": num_classes}
    if name in NAMES:
        return imagenet_net(name, stride_in=stride_in, **how), (3, 224, 224)
    try:
        return cifar_net(name, in_channels=in_channels, **how), (in_channels, 32, 32)
    except UsageError as error:
        raise UsageError(f"{error}; or, for large images, one of {', '.join(NAMES)}") from None
