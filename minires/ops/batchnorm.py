"""Batch normalisation (Ioffe & Szegedy 2015), with the batch's statistics and with given ones."""

from collections.abc import Sequence

from ..arguments import real
from ..backend import Array, array_module
from . import checks
from .op import Gradients, Op


def per_channel(v: Array, ndim: int) -> Array:
    """Return v (C,) as (1, C, 1, ...), which broadcasts along the channels of x."""
    return v.reshape(1, -1, *(1,) * (ndim - 2))


class BatchNorm(Op):
    """y = w x̂ + b with x̂ = (x − μ) / √(σ² + ε), μ and σ² taken over the batch.

    (N, C, ...), (C,), (C,) -> (N, C, ...); μ and σ² (biased) over all but the channels, m
    values each; after forward they are in `mean` and `var`, shape (C,), and `running`, averages
    of both that evaluation uses, are moved towards them (None for one that there is not).

    μ and σ depend on every x, so three terms reach gx (the paper's equations in section 3,
    collected):

        gb = Σ gy        gw = Σ gy x̂        gx = w / √(σ² + ε) · (gy − gb / m − x̂ gw / m)

    In words: the gradient loses its mean and its part along x̂, because shifting or scaling
    all of x changes nothing. Saves x̂, w and 1/√(σ² + ε).
    """

    check = checks.batch_norm
    mean: Array
    var: Array

    def __init__(
        self,
        eps: float = 1e-5,
        running: Sequence[Array | None] = (None, None),
        momentum: float = 0.1,
    ) -> None:
        self.eps = real(eps, "eps", at_least=0)
        self.running = running
        self.momentum = momentum

    def forward(self, x: Array, w: Array, b: Array) -> Array:
        axes = (0, *range(2, x.ndim))
        mean = x.mean(axis=axes, keepdims=True)
        centred = x - mean
        var = (centred * centred).mean(axis=axes, keepdims=True)
        r = 1 / array_module(x).sqrt(var + self.eps)
        xhat = centred * r
        self.mean, self.var = mean.ravel(), var.ravel()
        self.move_running(x.size // x.shape[1])
        self.save(xhat, w, r)
        return per_channel(w, x.ndim) * xhat + per_channel(b, x.ndim)

    def backward(self, gy: Array) -> Gradients:
        xhat, w, r = self.saved
        axes = (0, *range(2, gy.ndim))
        m = gy.size // gy.shape[1]
        gb = gy.sum(axis=axes)
        gw = (gy * xhat).sum(axis=axes)
        if not self.needs_grad[0]:
            return None, gw, gb
        lost = per_channel(gb / m, gy.ndim) + xhat * per_channel(gw / m, gy.ndim)
        gx = per_channel(w, gy.ndim) * r * (gy - lost)
        return gx, gw, gb

    def move_running(self, m: int) -> None:
        """Move `running` towards `mean` and the unbiased variance, of m values a channel."""
        mean, var = self.running
        if mean is not None:
            moving_average(mean, self.mean, self.momentum)
        if var is not None:
            moving_average(var, self.var * (m / (m - 1)), self.momentum)


class BatchNormInference(Op):
    """y = w x̂ + b with x̂ = (x − μ) / √(σ² + ε), μ and σ² given and constant.

    (N, C, ...), (C,), (C,) -> (N, C, ...).  gx = w gy / √(σ² + ε), gw = Σ gy x̂, gb = Σ gy.
    μ and σ² may be of another type than x. Saves x̂, w and 1/√(σ² + ε).
    """

    check = checks.batch_norm_inference

    def __init__(self, mean: Array, var: Array, eps: float = 1e-5) -> None:
        self.mean = mean
        self.var = var
        self.eps = real(eps, "eps", at_least=0)

    def forward(self, x: Array, w: Array, b: Array) -> Array:
        mean, var = (per_channel(s.astype(x.dtype), x.ndim) for s in (self.mean, self.var))
        r = 1 / array_module(x).sqrt(var + self.eps)
        xhat = (x - mean) * r
        self.save(xhat, w, r)
        return per_channel(w, x.ndim) * xhat + per_channel(b, x.ndim)

    def backward(self, gy: Array) -> Gradients:
        xhat, w, r = self.saved
        axes = (0, *range(2, gy.ndim))
        gx = gy * (per_channel(w, gy.ndim) * r)
        return gx, (gy * xhat).sum(axis=axes), gy.sum(axis=axes)


def moving_average(r: Array, s: Array, momentum: float) -> None:
    """Set r ← (1 − momentum) r + momentum s.

    With a momentum of 1 nothing is left of r, NaN or infinite though it may be.
    """
    if momentum == 1:
        r[...] = 0
    else:
        r *= 1 - momentum
    r += momentum * s
