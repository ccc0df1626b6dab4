"""Log-softmax, and the cross-entropy between its result and integer labels."""

from typing import Any

from ..autograd import Gradients, Op
from ..backend import Array, array_module, expect_same_backend
from ..errors import LabelError, ShapeError, UsageError, expect


def log_softmax(x: Array, dim: int) -> Array:
    """x − ln Σ eˣ along `dim`; the maximum is taken out first, so that eˣ cannot overflow."""
    xp = array_module(x)
    shifted = x - x.max(axis=dim, keepdims=True)
    return shifted - xp.log(xp.exp(shifted).sum(axis=dim, keepdims=True))


class LogSoftmax(Op):
    """y = x − ln Σ eˣ along `dim`.  gx = gy − eʸ Σ gy.  Saves y."""

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def forward(self, x: Array) -> Array:
        expect(
            -x.ndim <= self.dim < x.ndim and x.size > 0,
            ShapeError,
            f"log_softmax got dim={self.dim} for x of shape {x.shape}",
        )
        y = log_softmax(x, self.dim)
        self.save(y)
        return y

    def backward(self, gy: Array) -> Gradients:
        (y,) = self.saved
        return gy - array_module(y).exp(y) * gy.sum(axis=self.dim, keepdims=True)


class CrossEntropy(Op):
    """y = −1/N Σ_n Σ_c t[n,c] log_softmax(x)[n,c]: (N, C) and N labels -> ().

    t is 1 at the label and 0 elsewhere; with label smoothing s, (1 − s) of that plus s / C
    everywhere (Szegedy et al. 2015, section 7).  gx = gy (softmax(x) − t) / N.
    Saves (softmax(x) − t) / N.
    """

    def __init__(self, labels: Array, label_smoothing: float = 0.0) -> None:
        expect(
            0 <= label_smoothing <= 1,
            UsageError,
            f"label_smoothing must be between 0 and 1, got {label_smoothing}",
        )
        self.labels = labels
        self.label_smoothing = label_smoothing

    def forward(self, x: Array) -> Array:
        self.expect_inputs(x)
        N, xp = x.shape[0], array_module(x)
        logp = log_softmax(x, dim=1)
        t = self._targets(xp, x)
        self.save((xp.exp(logp) - t) / N)
        return -(t * logp).sum() / N

    def backward(self, gy: Array) -> Gradients:
        (gx,) = self.saved
        return gy * gx

    def _targets(self, xp: Any, x: Array) -> Array:
        N, C = x.shape
        t: Array = xp.full((N, C), self.label_smoothing / C, x.dtype)
        t[xp.arange(N), self.labels] += 1 - self.label_smoothing
        return t

    def expect_inputs(self, x: Array) -> None:
        """Refuse logits of a wrong shape, and labels that are not one class for each, beside it."""
        expect(
            x.ndim == 2 and x.size > 0,
            ShapeError,
            f"cross_entropy expected logits (N, C), got shape {x.shape}",
        )
        (N, C), labels = x.shape, self.labels
        expect_same_backend("cross_entropy", x=x, labels=labels)
        expect(
            labels.dtype.kind in "iu",
            LabelError,
            f"cross_entropy expected integer labels, got {labels.dtype}",
        )
        expect(
            labels.shape == (N,),
            ShapeError,
            f"cross_entropy got labels of shape {labels.shape} for logits {x.shape}; "
            f"expected {(N,)}",
        )
        self.expect_labels(C)

    def expect_labels(self, classes: int) -> None:
        """Refuse labels that are none of so many classes."""
        low, high = int(self.labels.min()), int(self.labels.max())
        expect(
            low >= 0 and high < classes,
            LabelError,
            f"cross_entropy got labels from {low} to {high}; expected 0 to {classes - 1}",
        )
