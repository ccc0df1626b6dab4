"""Sums, means, maxima and minima over dimensions."""

import math
from typing import Any

from ..arguments import flag
from ..backend import Array, array_module
from . import checks
from .op import Gradients, Op


class Reduction(Op):
    """An operation that leaves one value for all elements along `dim` (all by default)."""

    check = checks.reduction

    def __init__(self, dim: int | tuple[int, ...] | None = None, keepdim: bool = False) -> None:
        self.dim = dim
        self.keepdim = flag(keepdim, "keepdim")

    def dims(self, x: Array) -> tuple[Any, ...]:
        """Return `dim` as a tuple, all dimensions for None."""
        dims = range(x.ndim) if self.dim is None else self.dim
        return tuple(dims) if isinstance(dims, tuple | list | range) else (dims,)

    def axes(self, x: Array) -> tuple[int, ...]:
        """Return `dim` as dimensions of `x` from 0 on."""
        return tuple(int(d) % x.ndim for d in self.dims(x))

    def repeat(self, y: Array, axes: tuple[int, ...]) -> Array:
        """Return `y` repeated along the reduced `axes`, in the shape of the input."""
        shape = self.input_shapes[0]
        kept = tuple(1 if i in axes else size for i, size in enumerate(shape))
        return array_module(y).broadcast_to(y.reshape(kept), shape)


class Sum(Reduction):
    """y = Σ x.  gx = gy, repeated.  Saves no array."""

    def forward(self, x: Array) -> Array:
        axes = self.axes(x)
        self.save(axes)
        return x.sum(axis=axes, keepdims=self.keepdim)

    def backward(self, gy: Array) -> Gradients:
        (axes,) = self.saved
        return self.repeat(gy, axes)


class Mean(Reduction):
    """y = Σ x / m.  gx = gy / m, repeated, with m elements to a mean.  Saves no array."""

    check = checks.reduction_of_some

    def forward(self, x: Array) -> Array:
        axes = self.axes(x)
        self.save(axes)
        return x.mean(axis=axes, keepdims=self.keepdim)

    def backward(self, gy: Array) -> Gradients:
        (axes,) = self.saved
        m = math.prod(self.input_shapes[0][i] for i in axes)
        return self.repeat(gy / m, axes)


class Max(Reduction):
    """y = max x.  gx = gy where x is the maximum; several maxima share it equally.

    A NaN is larger than any number: y is NaN, and the gradient goes to the NaNs. Saves x and y.
    """

    check = checks.reduction_of_some

    def extreme(self, x: Array, axes: tuple[int, ...]) -> Array:
        """Return the largest elements along `axes`."""
        return x.max(axis=axes, keepdims=self.keepdim)

    def forward(self, x: Array) -> Array:
        axes = self.axes(x)
        y = self.extreme(x, axes)
        self.save(x, y, axes)
        return y

    def backward(self, gy: Array) -> Gradients:
        x, y, axes = self.saved
        is_extreme = (x == self.repeat(y, axes)) | array_module(x).isnan(x)
        share = self.repeat(gy, axes) / is_extreme.sum(axis=axes, keepdims=True, dtype=x.dtype)
        return array_module(x).where(is_extreme, share, 0)


class Min(Max):
    """y = min x.  gx = gy where x is the minimum; several minima share it equally.

    A NaN is smaller than any number, as it is larger for `Max`. Saves x and y.
    """

    def extreme(self, x: Array, axes: tuple[int, ...]) -> Array:
        """Return the smallest elements along `axes`."""
        return x.min(axis=axes, keepdims=self.keepdim)
