"""The update of stochastic gradient descent."""

from typing import TypeAlias

from ..backend import Array

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
