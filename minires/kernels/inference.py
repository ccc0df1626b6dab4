"""Batch norm with given statistics, as the twins of all backends have it."""

from typing import Any

from .. import ops
from ..autograd import Gradients
from ..backend import Array, array_module, settled
from ..ops.batchnorm import expect_channels, per_channel


class PromisedInference(ops.batchnorm.BatchNormInference):
    """The textbook's batch norm with given statistics; forward gives a promise.

    The normalised x, which the textbook saves, is computed only where backward comes.
    """

    takes_promises = True

    def forward(self, x: Any, w: Array, b: Array) -> Any:
        x = settled(x)
        expect_channels(x, running_mean=self.mean, running_var=self.var, w=w, b=b)
        r = 1 / array_module(x).sqrt(self.var + self.eps)
        scale = w * r
        self.save(x, w, r, self.mean.copy())  # which training moves on
        return self.promise(x, scale, b - self.mean * scale)

    def promise(self, x: Array, scale: Array, shift: Array) -> Any:
        """scale · x + shift, with a scale and a shift (C,) a channel of x (N, C, H, W)."""
        raise NotImplementedError

    def backward(self, gy: Any) -> Gradients:
        x, w, r, mean = self.saved
        kept, r = self.saved, per_channel(r, 4)
        self.saved = (x - per_channel(mean, 4)) * r, w, r  # as the textbook has them
        try:
            return super().backward(settled(gy))
        finally:
            self.saved = kept
