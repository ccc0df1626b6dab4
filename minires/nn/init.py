"""Initial weights, drawn from the generator that `minires.manual_seed` sets."""

import math
from collections.abc import Callable

import numpy as np

from ..arguments import LARGEST, function, is_integer, shown
from ..backend import Array, generator, is_array
from ..errors import ShapeError, UsageError


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (inputs of one output, outputs of one input) for weights (O, I) or (O, C, kh, kw).

    Raises:
        ShapeError: weights of the shape have no inputs or no outputs.
    """
    sizes = shape if isinstance(shape, tuple | list) else ()
    least = (0, *(1 for _ in sizes[1:]))  # of outputs there may be none
    known = all(is_integer(n) and m <= n <= LARGEST for n, m in zip(sizes, least, strict=False))
    if len(sizes) < 2 or not known:
        raise ShapeError(
            f"initial weights got the shape {shown(shape)}; expected (O, I) or (O, C, kh, kw), of "
            "sizes of at least 1"
        )
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


def scaled(
    init: Callable[[tuple[int, ...]], Array], factor: float
) -> Callable[[tuple[int, ...]], Array]:
    """Return an initialisation that draws the weights of `init` times a factor."""
    return lambda shape: init(shape) * np.float32(factor)


def drawn(init: Callable[[tuple[int, ...]], Array], shape: tuple[int, ...]) -> Array:
    """Return `init(shape)`, the initial weights.

    Raises:
        UsageError: `init` is no function, or returns something else than floats of that shape.
    """
    w = function(init, "init")(shape)
    if not is_array(w) or w.shape != shape or w.dtype.kind != "f":
        raise UsageError(f"init must return floats of shape {shape}, got {shown(w)}")
    return w


def by_column(w: Array) -> Array:
    """Return the weights w (O, C, kh, kw), with (kw, O, kh, C) as their order in memory.

    Column v of all weights is then one matrix of kh·C columns, which the convolution kernel of the
    CPU multiplies without a copy (see `minires.kernels.cpu.conv`). Gradients and velocities get the
    same order.
    """
    return np.ascontiguousarray(w.transpose(3, 0, 2, 1)).transpose(1, 3, 2, 0)
