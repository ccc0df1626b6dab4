"""Initial weights, drawn from the generator that `minires.manual_seed` sets."""

import math

import numpy as np

from ..backend import Array, generator


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(inputs to one output, outputs of one input) of weights (O, I) or (O, C, kh, kw)."""
    places = math.prod(shape[2:])
    return shape[1] * places, shape[0] * places


def he_normal(shape: tuple[int, ...]) -> Array:
    """Normal with std √(2 / fan_in), float32: keeps the variance through a ReLU (He 2015)."""
    fan_in, _ = fans(shape)
    return _normal(shape, math.sqrt(2 / fan_in))


def xavier_normal(shape: tuple[int, ...]) -> Array:
    """Normal with std √(2 / (fan_in + fan_out)), float32 (Glorot & Bengio 2010)."""
    return _normal(shape, math.sqrt(2 / sum(fans(shape))))


def _normal(shape: tuple[int, ...], std: float) -> Array:
    return (generator().standard_normal(shape) * std).astype(np.float32)


def by_column(w: Array) -> Array:
    """The kernels w (O, C, kh, kw), lying in memory as (kw, O, kh, C).

    So column v of all kernels is one matrix of kh·C columns, and a fast convolution multiplies
    with it as it lies (see `minires.fast.numpy_conv`); gradients and velocities lie the same way.
    """
    return np.ascontiguousarray(w.transpose(3, 0, 2, 1)).transpose(1, 3, 2, 0)
