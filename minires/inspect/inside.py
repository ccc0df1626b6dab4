"""What is inside an operation of a recorded training step, beyond its output and its gradient."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backend import Array, to_numpy
from ..ops import Op
from ..ops.batchnorm import BatchNorm, BatchNormInference
from ..ops.conv import Conv2d
from ..ops.pool import MaxPool2d


def parts_of(
    op: Op, inputs: Sequence[Any], output: Any, channels: int, image: int
) -> dict[str, Array]:
    """Return arrays by name, of the first `channels` channels.

    Of a convolution its kernels "w" (O, C, kh, kw); of a batch norm, (C,) each, "mean" and "std" of
    the input (what it divides by, without ε), "w", "b", and "mean after" and "std after" of the
    output; of max pooling the kernel tap that won, "winner" (C, Ho, Wo), in one image. None of
    another operation.
    """
    if isinstance(op, Conv2d):
        return {"w": _first(inputs[1], channels, channels)}
    if isinstance(op, BatchNorm | BatchNormInference):
        y = np.asarray(to_numpy(output), np.float64)
        axes = (0, *range(2, y.ndim))
        parts = {"mean": op.mean, "std": to_numpy(op.var) ** 0.5, "w": inputs[1], "b": inputs[2]}
        parts |= {"mean after": y.mean(axis=axes), "std after": y.std(axis=axes)}
        return {name: _first(part, channels) for name, part in parts.items()}
    if isinstance(op, MaxPool2d):
        reference = MaxPool2d(op.kernel_size, op.stride, op.padding)
        reference.forward(to_numpy(inputs[0])[image, :channels][None])
        return {"winner": reference.saved[0][..., 0]}
    return {}


def gradients_of(op: Op, gxs: Sequence[Any], channels: int) -> dict[str, Array]:
    """Return the gradients, "gw" and "gb", of those parts that are parameters."""
    sizes = {Conv2d: ("gw",), BatchNorm: ("gw", "gb"), BatchNormInference: ("gw", "gb")}
    names = next((names for kind, names in sizes.items() if isinstance(op, kind)), ())
    given = zip(names, gxs[1:], strict=False)
    return {name: _first(g, *[channels] * min(g.ndim, 2)) for name, g in given if g is not None}


def _first(array: Any, *sizes: int) -> Array:
    """Return the beginning of an array along its first dimensions, as float32."""
    return to_numpy(array)[tuple(map(slice, sizes))].astype(np.float32)
