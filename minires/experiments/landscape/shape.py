"""How rough a surface is, in numbers: what goes down on the way out, and what is not convex."""

import numpy as np

from ...backend import Array


def downhill(losses: Array) -> float:
    """The share of all ups and downs that are downs, on straight ways out of the centre, in %.

    The ways are the eight along the rows, columns and diagonals of `losses`, (n, n), n odd. In a
    bowl around the centre it is 0; where steps up and down are of the same size, and on a level
    that goes nowhere, it is 50.
    """
    steps = np.concatenate([np.diff(way) for way in _ways_out(losses)])
    down, total = np.maximum(-steps, 0).sum(), np.abs(steps).sum()
    return float(100 * down / total) if total > 0 else 50.0


def _ways_out(losses: Array) -> list[Array]:
    middle = len(losses) // 2
    out = np.arange(middle + 1)
    turns = [(di, dj) for di in (-1, 0, 1) for dj in (-1, 0, 1) if (di, dj) != (0, 0)]
    return [losses[middle + di * out, middle + dj * out] for di, dj in turns]


def not_convex(losses: Array) -> float:
    """The share of the points inside the edge where the surface bends down somewhere, in %.

    There the smaller eigenvalue of [[f_aa, f_ab], [f_ab, f_bb]], the second differences of
    `losses`, (n, n), is negative. A direction of negative curvature in the plane is one of the
    whole space; of the other directions the plane says nothing (Li et al. 2018, section 6).
    """
    f = losses
    aa = f[2:, 1:-1] - 2 * f[1:-1, 1:-1] + f[:-2, 1:-1]
    bb = f[1:-1, 2:] - 2 * f[1:-1, 1:-1] + f[1:-1, :-2]
    ab = (f[2:, 2:] - f[2:, :-2] - f[:-2, 2:] + f[:-2, :-2]) / 4
    smaller = (aa + bb) / 2 - np.hypot((aa - bb) / 2, ab)
    return float(100 * (smaller < 0).mean())
