"""Log-softmax, and the cross-entropy between its result and labels."""

from typing import Any

from ..arguments import integer, real
from ..backend import Array, array_module
from . import checks
from .op import Gradients, Op


def log_softmax(x: Array, dim: int) -> Array:
    """Return x − ln Σ eˣ along `dim`; less the maximum first, so that eˣ cannot overflow."""
    xp = array_module(x)
    shifted = x - x.max(axis=dim, keepdims=True)
    return shifted - xp.log(xp.exp(shifted).sum(axis=dim, keepdims=True))


class LogSoftmax(Op):
    """y = x − ln Σ eˣ along `dim`.  gx = gy − eʸ Σ gy.  Saves y."""

    check = checks.log_softmax

    def __init__(self, dim: int = -1) -> None:
        self.dim = integer(dim, "dim")

    def forward(self, x: Array) -> Array:
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

    check = checks.cross_entropy

    def __init__(self, labels: Array, label_smoothing: float = 0.0) -> None:
        self.labels = labels
        self.label_smoothing = real(label_smoothing, "label_smoothing", 0, 1)

    def forward(self, x: Array) -> Array:
        N, xp = x.shape[0], array_module(x)
        logp = log_softmax(x, dim=1)
        t = self.targets(xp, x)
        self.save((xp.exp(logp) - t) / N)
        counted = xp.where(t > 0, logp, 0)  # ln 0 of other classes is −∞, and 0 · ∞ would be NaN
        return -(t * counted).sum() / N

    def backward(self, gy: Array) -> Gradients:
        (gx,) = self.saved
        return gy * gx

    def targets(self, xp: Any, x: Array) -> Array:
        """Return t (N, C)."""
        N, C = x.shape
        t: Array = xp.full((N, C), self.label_smoothing / C, x.dtype)
        t[xp.arange(N), self.labels] += 1 - self.label_smoothing
        return t


class NegativeLogLikelihood(Op):
    """y[n] = −Σ_c t[n,c] x[n,c]: logarithms of probabilities (N, C) -> (N,).

    t (N, C) is how much each class counts for each image, 0 or more, and has no gradient.
    gx = −gy t, each row of t times its gy.  Saves t.
    """

    check = checks.likelihood

    def __init__(self, targets: Array) -> None:
        self.targets = targets

    def forward(self, x: Array) -> Array:
        xp, t = array_module(x), self.targets.astype(x.dtype)
        self.save(t)
        counted = xp.where(t > 0, x, 0)  # ln 0 of other classes is −∞, and 0 · ∞ would be NaN
        return -(t * counted).sum(axis=1)

    def backward(self, gy: Array) -> Gradients:
        (t,) = self.saved
        return -gy[:, None] * t
