"""The two operations of the parameter-free shortcut on a GPU, with the batch innermost."""

from typing import Any

from ... import ops
from ...autograd import Gradients
from ...backend import Array
from ...modes import twin
from .layout import are_maps, empty, images


@twin(ops.reshape.Pad, "cupy")
class Pad(ops.reshape.Pad):
    """The textbook's padding, of maps."""

    def suits(self, x: Any) -> bool:
        return are_maps(x)

    def forward(self, x: Array) -> Array:
        self.expect_widths(x)
        sizes = zip(self.widths, x.shape, strict=True)
        N, C, H, W = (before + size + after for (before, after), size in sizes)
        y = images(empty((C, H, W, N)))
        y[...] = self.value
        y[self.inside] = x
        return y


@twin(ops.reshape.Index, "cupy")
class Index(ops.reshape.Index):
    """The textbook's indexing of maps by slices."""

    def suits(self, x: Any) -> bool:
        return are_maps(x) and not self.may_repeat

    def backward(self, gy: Array) -> Gradients:
        N, C, H, W = self.input_shapes[0]
        gx = images(empty((C, H, W, N)))
        gx[...] = 0
        gx[self.key] = gy
        return gx
