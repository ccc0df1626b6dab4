"""Cross-entropy on a GPU: a kernel for each image's loss and gradient, and one for the mean."""

from typing import Any

import numpy as np

from ... import ops
from ...autograd import Gradients
from ...backend import Array, load
from ...modes import twin
from .launch import blocks, launch
from .layout import empty, images, planes


@twin(ops.loss.CrossEntropy, "cupy")
class CrossEntropy(ops.loss.CrossEntropy):
    """The textbook's cross-entropy of labels in int64.

    While a CUDA graph is captured nobody can look at the labels; one that is no class then makes
    the loss NaN instead of being refused by name.
    """

    def suits(self, x: Any) -> bool:
        return x.dtype == np.float32 and self.labels.dtype == np.int64

    def forward(self, x: Array) -> Array:
        self.expect_inputs(x)
        N, C = x.shape
        gx, losses, loss = empty((C, N)), empty((N,)), empty(())
        labels = load("cupy").ascontiguousarray(self.labels)
        smoothing = float(self.label_smoothing)
        arguments = (planes(x), labels, gx, losses, N, C, smoothing)
        launch("loss", "cross_entropy", (blocks(N),), *arguments)
        launch("loss", "mean", (1,), losses, loss, N)
        self.save(gx)
        return loss

    def backward(self, gy: Array) -> Gradients:
        (gx,) = self.saved
        return images(gy * gx)

    def expect_labels(self, classes: int) -> None:
        if not load("cupy").cuda.get_current_stream().is_capturing():
            super().expect_labels(classes)
