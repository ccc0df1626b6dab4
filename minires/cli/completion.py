"""What a shell completes: the names of nets."""

from collections.abc import Callable

from ..models.spec import IMAGENET_NAMES

_CIFAR_NAMES = (  # those that papers train; there are nets of other depths
    *(f"plain{depth}" for depth in (20, 32, 44, 56)),
    *(f"resnet{depth}" for depth in (20, 32, 44, 56, 110, 1202)),
    *(f"preact{depth}" for depth in (110, 164, 1001)),
)
_NAMES = {
    "cifar": _CIFAR_NAMES,
    "imagenet": IMAGENET_NAMES,
    "any": tuple(dict.fromkeys((*_CIFAR_NAMES, *IMAGENET_NAMES))),
}


def nets_of(family: str) -> Callable[[str], list[str]]:
    """Return a function that completes the name of a net, or the last one of some by commas.

    Args:
        family: "cifar", "imagenet" or "any", as for `NetSpec.parse`.
    """

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        left = (name for name in _NAMES[family] if name not in before.split(","))
        return [f"{before}{comma}{name}" for name in left if name.startswith(last)]

    return complete
