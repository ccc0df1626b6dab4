"""The gradient that comes in to an operation that goes through its maps by channels."""

from typing import Any

from ...backend import Array
from .layout import result
from .maps import Maps, in_rows
from .memory import empty


class Incoming:
    """A gradient, a few channels at a time, computed where it was promised.

    If others want it too, what is computed is kept for them; otherwise it needs no more room
    than those channels.

    Args:
        gy: the gradient (N, C, H, W), or the promise of it.
        like: an array (H, C, L) of the shape that it has in rows.
    """

    def __init__(self, gy: Any, like: Array) -> None:
        self.maps: Array | Maps = in_rows(gy)
        self.promised = isinstance(self.maps, Maps)
        shared = isinstance(self.maps, Maps) and self.maps.shared
        self.kept = empty(like.shape, like.dtype) if shared else None
        self.like = like

    def room(self, width: int) -> Array | None:
        """Memory for so many channels, where it is needed."""
        H, _, L = self.like.shape
        needed = self.promised and self.kept is None
        return empty((H, width, L), self.like.dtype) if needed else None

    def channels(self, c: slice, room: Array | None) -> Array:
        """The array for channels c: computed already, or to be filled."""
        if room is not None:
            return room[:, : c.stop - c.start]
        whole: Any = self.maps if self.kept is None else self.kept
        return whole[:, c]

    def fill(self, h: slice, c: slice, out: Array, spare: Array) -> None:
        """Compute rows h of channels c into `out`, if they are not there yet."""
        if isinstance(self.maps, Maps):
            self.maps.fill(h, c, out, spare)

    def settle(self, gy: Any) -> None:
        """Give what was kept to the promise, for whoever comes next."""
        if self.kept is not None:
            gy.keep(result(self.kept, gy.shape[0]))
