"""What a module holds: its own tensors, and what is hidden in its lists, where nothing finds it."""

from collections.abc import Iterator
from typing import Any

from ..autograd import Tensor
from ..errors import UsageError


def own_tensors(module: Any) -> dict[str, Tensor]:
    """Return the parameters and buffers that a module holds itself."""
    return {name: value for name, value in vars(module).items() if isinstance(value, Tensor)}


def expect_all_found(found: list[tuple[str, Any]], kinds: tuple[type, ...]) -> None:
    """Raise UsageError if a list or dictionary holds what would be trained, but is not found.

    Args:
        found: the modules by path, as they are found.
        kinds: Module and Parameter.
    """
    known = {id(module) for _, module in found}
    known.update(id(t) for _, module in found for t in own_tensors(module).values())
    for path, module in found:
        for name, value in vars(module).items():
            for held in _held(value):
                if isinstance(held, kinds) and id(held) not in known:
                    place = f"{path}.{name}" if path else name
                    raise UsageError(
                        f"{type(module).__name__} has a {type(held).__name__} in the "
                        f"{type(value).__name__} {place}, where it is not found and so not "
                        "trained; put modules into an nn.ModuleList, and make a parameter an "
                        "attribute"
                    )


def _held(value: Any) -> Iterator[Any]:
    """Yield what is in a list, tuple or dictionary, and in those inside it."""
    if isinstance(value, list | tuple | dict):
        for inside in value.values() if isinstance(value, dict) else value:
            yield inside
            yield from _held(inside)
