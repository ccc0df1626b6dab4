"""Several modules in one: ModuleList holds them, Sequential applies them too."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Self

from ..arguments import integer, several, shown
from ..autograd import Tensor
from ..autograd.checkpoint import checkpoint
from ..errors import RangeError, UsageError
from .module import Module


class ModuleList(Module):
    """Modules, named "0", "1", ..., that are found as a list's would not be.

    Args:
        modules: in their order.

    Raises:
        UsageError: one of them is no Module.
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        for module in several(modules, "modules"):
            self.append(module)

    def append(self, module: Module) -> Self:
        """Add a module at the end."""
        name, i = type(self).__name__, len(self)
        if not isinstance(module, Module):
            raise UsageError(f"{name} takes modules, got {shown(module)} at index {i}")
        setattr(self, str(i), module)
        return self

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, i: int) -> Module:
        try:
            return list(self)[i]
        except (IndexError, TypeError):
            raise RangeError(f"{len(self)} modules have no index {shown(i)}") from None

    def forward(self, x: Tensor) -> Tensor:
        raise UsageError("a ModuleList is not applied itself, but its modules; nn.Sequential is")


class Sequential(ModuleList):
    """Modules one after the other.

    Args:
        modules: applied in this order.
        checkpoint_every: keep only the input of every so many modules for backward, and compute
            the rest again; see `minires.checkpoint`. None keeps everything.

    Raises:
        UsageError: an argument is no Module, or `checkpoint_every` is below 1.
    """

    def __init__(self, *modules: Module, checkpoint_every: int | None = None) -> None:
        if checkpoint_every is not None:
            checkpoint_every = integer(checkpoint_every, "checkpoint_every", at_least=1)
        self.checkpoint_every = checkpoint_every
        super().__init__(modules)

    def forward(self, x: Tensor) -> Tensor:
        modules, every = list(self), self.checkpoint_every
        if every is None:
            return _apply(modules, x)
        for start in range(0, len(modules), every):
            x = checkpoint(partial(_apply, modules[start : start + every]), x)
        return x


def _apply(modules: list[Module], x: Tensor) -> Tensor:
    for module in modules:
        x = module(x)
    return x
