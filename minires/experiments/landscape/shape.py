"""The shape of a loss surface in numbers: its edge, its roughness, and where it is not convex."""

import numpy as np

from ...backend import Array


def edge(losses: Array) -> float:
    """Return the median loss at the edge of a surface, (n, n)."""
    f = losses
    return float(np.median(np.concatenate([f[0], f[-1], f[1:-1, 0], f[1:-1, -1]])))


def downhill(losses: Array) -> float:
    """Return the share of all ups and downs that are downs, on the ways out of the centre, in %.

    The ways are the eight straight ones along the rows, columns and diagonals. The share is 0 in a
    bowl around the centre, and 50 where steps up and down are of the same size, or there are none.

    Args:
        losses: (n, n), n odd.
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
    """Return the share of the points inside the edge where the surface bends down, in %.

    At such a point the smaller eigenvalue of the Hessian in the plane, [[f_aa, f_ab], [f_ab,
    f_bb]] by second differences, is negative. A direction of negative curvature in the plane is
    one of the whole space; the plane says nothing of other directions (Li et al. 2018, section 6).

    Args:
        losses: (n, n).
    """
    f = losses
    aa = f[2:, 1:-1] - 2 * f[1:-1, 1:-1] + f[:-2, 1:-1]
    bb = f[1:-1, 2:] - 2 * f[1:-1, 1:-1] + f[1:-1, :-2]
    ab = (f[2:, 2:] - f[2:, :-2] - f[:-2, 2:] + f[:-2, :-2]) / 4
    smaller = (aa + bb) / 2 - np.hypot((aa - bb) / 2, ab)
    return float(100 * (smaller < 0).mean())
