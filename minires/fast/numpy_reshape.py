"""The two operations of the parameter-free shortcut, with results that lie as convolutions' do."""

from .. import ops
from ..backend import Array
from ..engine import Gradients, twin
from .layout import images
from .memory import empty


@twin(ops.reshape.Pad, "numpy")
class Pad(ops.reshape.Pad):
    """The textbook's padding, of maps."""

    def suits(self, x: Array) -> bool:
        return len(x.shape) == 4 and 0 not in x.shape

    def forward(self, x: Array) -> Array:
        self.expect_widths(x)
        sizes = zip(self.widths, x.shape, strict=True)
        N, C, H, W = (before + size + after for (before, after), size in sizes)
        y = images(empty((H, C, W * N), x.dtype), N)
        y[...] = self.value
        y[self.inside] = x
        return y


@twin(ops.reshape.Index, "numpy")
class Index(ops.reshape.Index):
    """The textbook's indexing of maps by slices."""

    def suits(self, x: Array) -> bool:
        return len(x.shape) == 4 and 0 not in x.shape and not self.may_repeat

    def backward(self, gy: Array) -> Gradients:
        N, C, H, W = self.input_shapes[0]
        gx = images(empty((H, C, W * N), gy.dtype), N)
        gx[...] = 0
        gx[self.key] = gy
        return gx
