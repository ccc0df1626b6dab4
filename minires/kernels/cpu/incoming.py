"""The incoming gradient of an operation that goes through its feature maps by channels.

The second table of the ladder in ../README.md has what lazy gradients save: 2 to 5 % of backward of
convolution, batch norm and ReLU together (AMD EPYC).
"""

from typing import Any

from ...backend import Array
from .layout import result
from .maps import LazyMaps, in_rows
from .memory import empty


class Incoming:
    """A gradient, a few channels at a time, computed if it is lazy.

    If other operations take it too, what is computed is kept for them; otherwise it needs no
    more room than those channels.

    Args:
        gy: the gradient (N, C, H, W), an array or lazy.
        like: an array (H, C, L) of the shape that it has in rows.
    """

    def __init__(self, gy: Any, like: Array) -> None:
        self.maps: Array | LazyMaps = in_rows(gy)
        self.lazy = isinstance(self.maps, LazyMaps)
        shared = isinstance(self.maps, LazyMaps) and self.maps.shared
        self.kept = empty(like.shape, like.dtype) if shared else None
        self.like = like

    def room(self, width: int) -> Array | None:
        """Return memory for so many channels, None if none is needed."""
        H, _, L = self.like.shape
        needed = self.lazy and self.kept is None
        return empty((H, width, L), self.like.dtype) if needed else None

    def channels(self, c: slice, room: Array | None) -> Array:
        """Return the array for channels c: computed already, or to be filled."""
        if room is not None:
            return room[:, : c.stop - c.start]
        whole: Any = self.maps if self.kept is None else self.kept
        return whole[:, c]

    def fill(self, h: slice, c: slice, out: Array, spare: Array) -> None:
        """Compute rows h of channels c into `out`, if they are not there yet."""
        if isinstance(self.maps, LazyMaps):
            self.maps.fill(h, c, out, spare)

    def finish(self, gy: Any) -> None:
        """Give what was kept to the lazy array, for the other operations."""
        if self.kept is not None:
            gy.realized_as(result(self.kept, gy.shape[0]))
