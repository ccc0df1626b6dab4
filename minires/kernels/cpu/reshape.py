"""The two operations of the parameter-free shortcut, with results that lie as convolutions' do."""

from ... import ops
from ...autograd import Gradients
from ...backend import Array
from ...modes import twin
from .layout import images, result
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
        Y = empty((H, C, W * N), x.dtype)
        Y[...] = self.value
        images(Y, N)[self.inside] = x
        return result(Y, N)


@twin(ops.reshape.Index, "numpy")
class Index(ops.reshape.Index):
    """The textbook's indexing of maps by slices."""

    def suits(self, x: Array) -> bool:
        return len(x.shape) == 4 and 0 not in x.shape and not self.may_repeat

    def backward(self, gy: Array) -> Gradients:
        N, C, H, W = self.input_shapes[0]
        gX = empty((H, C, W * N), gy.dtype)
        gX[...] = 0
        images(gX, N)[self.key] = gy
        return result(gX, N)
