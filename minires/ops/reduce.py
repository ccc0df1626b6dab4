"""Sums, means and maxima over dimensions."""

import math

import numpy as np

from ..autograd import Gradients, Op
from ..backend import Array, array_module
from ..errors import ShapeError, expect


class Reduction(Op):
    """An operation that leaves one value for all elements along `dim` (all by default)."""

    def __init__(self, dim: int | tuple[int, ...] | None = None, keepdim: bool = False) -> None:
        self.dim = dim
        self.keepdim = keepdim

    def axes(self, x: Array) -> tuple[int, ...]:
        """`dim` as a tuple of dimensions of `x`; refused where `x` has no such dimension."""
        dims = range(x.ndim) if self.dim is None else self.dim
        dims = tuple(dims) if isinstance(dims, tuple | list | range) else (dims,)
        whole = (d for d in dims if isinstance(d, int | np.integer))
        axes = tuple(int(d) % x.ndim for d in whole if -x.ndim <= d < x.ndim)
        expect(
            len(set(axes)) == len(dims),
            ShapeError,
            f"{self.name} got dim={self.dim} for shape {x.shape}; expected dimensions of it, "
            "each at most once",
        )
        return axes

    def spread(self, y: Array, axes: tuple[int, ...]) -> Array:
        """`y` repeated along the reduced `axes`, back to the shape of the input."""
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
        return self.spread(gy, axes)


class Mean(Reduction):
    """y = Σ x / m.  gx = gy / m, repeated, with m elements to a mean.  Saves no array."""

    def forward(self, x: Array) -> Array:
        axes = self.axes(x)
        self.save(axes)
        return x.mean(axis=axes, keepdims=self.keepdim)

    def backward(self, gy: Array) -> Gradients:
        (axes,) = self.saved
        m = math.prod(self.input_shapes[0][i] for i in axes)
        return self.spread(gy / m, axes)


class Max(Reduction):
    """y = max x.  gx = gy where x is the maximum; several maxima share it equally.

    Saves x and y.
    """

    def forward(self, x: Array) -> Array:
        axes = self.axes(x)
        expect(x.size > 0, ShapeError, f"max of an empty array of shape {x.shape}")
        y: Array = x.max(axis=axes, keepdims=self.keepdim)
        self.save(x, y, axes)
        return y

    def backward(self, gy: Array) -> Gradients:
        x, y, axes = self.saved
        is_max = x == self.spread(y, axes)
        share = self.spread(gy, axes) / is_max.sum(axis=axes, keepdims=True, dtype=x.dtype)
        return array_module(x).where(is_max, share, 0)
