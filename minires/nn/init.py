"""Initial weights, drawn from the generator that `minires.manual_seed` sets."""

import math

import numpy as np

from ..backend import Array, generator


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (inputs of one output, outputs of one input) for weights (O, I) or (O, C, kh, kw)."""
    taps = math.prod(shape[2:])
    return shape[1] * taps, shape[0] * taps


def he_normal(shape: tuple[int, ...]) -> Array:
    """Return normal numbers, float32, with the std √(2 / fan_in) that ReLUs need (He 2015)."""
    fan_in, _ = fans(shape)
    return _normal(shape, math.sqrt(2 / fan_in))


def xavier_normal(shape: tuple[int, ...]) -> Array:
    """Return normal numbers, float32, with std √(2 / (fan_in + fan_out)) (Glorot & Bengio 2010)."""
    return _normal(shape, math.sqrt(2 / sum(fans(shape))))


def _normal(shape: tuple[int, ...], std: float) -> Array:
    return (generator().standard_normal(shape) * std).astype(np.float32)


def by_column(w: Array) -> Array:
    """Return the weights w (O, C, kh, kw), with (kw, O, kh, C) as their order in memory.

    Column v of all weights is then one matrix of kh·C columns, which the convolution kernel of the
    CPU multiplies without a copy (see `minires.kernels.cpu.conv`). Gradients and velocities get the
    same order.
    """
    return np.ascontiguousarray(w.transpose(3, 0, 2, 1)).transpose(1, 3, 2, 0)
