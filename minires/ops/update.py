"""The updates of stochastic gradient descent and of Adam."""

from typing import TypeAlias

from ..backend import Array, array_module

Change: TypeAlias = tuple[Array, Array, Array]  # a parameter, its velocity and its gradient


def update(w: Array, v: Array, g: Array, lr: float, momentum: float, weight_decay: float) -> None:
    """Set v ← momentum v + (g + weight_decay w) and w ← w − lr v.

    A factor of 0 leaves its term out: 0 · infinity would be NaN.
    """
    if momentum:
        v *= momentum
    else:
        v[...] = 0
    v += g
    if weight_decay:
        v += weight_decay * w
    w -= lr * v


def update_all(changes: list[Change], lr: float, momentum: float, weight_decay: float) -> None:
    """Apply `update` to each parameter, velocity and gradient."""
    for w, v, g in changes:
        update(w, v, g, lr, momentum, weight_decay)


def adam(
    w: Array,
    m: Array,
    v: Array,
    g: Array,
    t: int,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
) -> None:
    """Set m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², w ← w − lr m̂ / (√v̂ + eps).

    m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ) at step t, from 1 on, make up for the zeros that m and
    v begin with. g is the gradient, plus weight_decay w.
    """
    beta1, beta2 = betas
    if weight_decay:
        g = g + weight_decay * w
    m *= beta1
    m += (1 - beta1) * g
    v *= beta2
    v += (1 - beta2) * g * g
    mhat, vhat = m / (1 - beta1**t), v / (1 - beta2**t)
    w -= lr * mhat / (array_module(v).sqrt(vhat) + eps)
