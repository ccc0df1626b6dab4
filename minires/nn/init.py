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
