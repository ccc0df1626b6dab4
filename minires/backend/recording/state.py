"""What a recorded function finds in tensors and modules, and what it leaves in them."""

import weakref
from typing import Any, NamedTuple

from ...errors import GraphError
from ..arrays import is_array
from ..writes import last_replacement


class _Gradient(NamedTuple):
    """A gradient that a function touches: of what, what it was before, and whether it was read."""

    tensor: Any
    before: Any
    read: bool


class State:
    """The arrays, modes and gradients of a record.

    Tensors are held weakly until `close`, so that those the function makes go as they always do.

    Attributes:
        needed: tensors, and the gradients that they must have before a replay.
        left: tensors, and the gradients that a replay leaves in them.
    """

    def __init__(self) -> None:
        self._seen: dict[int, Any] = {}
        self._gradients: dict[int, _Gradient] = {}
        self._found: list[tuple[Any, str, Any]] = []
        self._moment = last_replacement()
        self.needed: list[tuple[Any, Any]] = []
        self.left: list[tuple[Any, Any]] = []

    def note(self, source: Any, value: Any) -> None:
        """Note a tensor or a module that is read; a read hook, see `minires.modes`."""
        self._seen[id(source)] = weakref.ref(source)

    def touch(self, tensor: Any, read: bool) -> None:
        """Note that the gradient of a tensor is about to be read, or to be replaced."""
        known = self._gradients.get(id(tensor))
        if known is None or known.tensor() is not tensor:
            kept = _Gradient(weakref.ref(tensor), tensor.held_grad, read)
            self._gradients[id(tensor)] = kept

    def close(self) -> None:
        """Look at what is there in the end.

        Raises:
            GraphError: a gradient that was there before was added to.
        """
        for source in [seen() for seen in self._seen.values()]:
            if source is None:
                continue
            name = "held" if hasattr(source, "held") else "_training"
            value = getattr(source, name)
            if name == "_training" or (source.op is None and is_array(value)):
                self._found.append((source, name, value))
        for reference, before, read in self._gradients.values():
            tensor = reference()
            if tensor is None:
                continue
            if read:
                self.needed.append((tensor, before))
            if tensor.held_grad is not before:
                self.left.append((tensor, tensor.held_grad))
            if read and before is not None and tensor.held_grad is not before:
                raise GraphError(
                    "the step adds to gradients that were there before, in a new array each time; "
                    "let it begin with zero_grad(), or leave out the record"
                )

    def is_current(self) -> bool:
        """Return whether tensors have the arrays, and modules the modes, that they had."""
        now = last_replacement()
        if now != self._moment:
            if any(getattr(source, name) is not value for source, name, value in self._found):
                return False
            self._moment = now
        return True

    def undo(self) -> None:
        """Give tensors the gradients back that they had."""
        for reference, before, _ in self._gradients.values():
            if (tensor := reference()) is not None:
                tensor.held_grad = before
