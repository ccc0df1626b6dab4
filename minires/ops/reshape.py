"""The same elements in another arrangement: reshape, permute, pad, index, concatenate."""

import itertools
from typing import Any

from ..arguments import integer, real
from ..backend import Array, array_module, is_array
from . import checks
from .keys import key_parts
from .op import Gradients, Op


class Reshape(Op):
    """y = the elements of x in the shape `shape`.  gx = gy in the shape of x.  Saves nothing."""

    check = checks.reshape

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def forward(self, x: Array) -> Array:
        return x.reshape(self.shape)

    def backward(self, gy: Array) -> Gradients:
        return gy.reshape(self.input_shapes[0])


class Permute(Op):
    """y = x with its dimensions in the order `dims`.  gx = gy, put back.  Saves nothing."""

    check = checks.permute

    def __init__(self, dims: tuple[int, ...]) -> None:
        self.dims = tuple(dims)

    def forward(self, x: Array) -> Array:
        return x.transpose(self.dims)

    def backward(self, gy: Array) -> Gradients:
        dims = [d % gy.ndim for d in self.dims]
        back = sorted(range(gy.ndim), key=dims.__getitem__)  # the inverse permutation
        return gy.transpose(back)


class Pad(Op):
    """y = x with `widths[d] = (before, after)` constants around dimension d.

    gx = gy without them.  Saves nothing.
    """

    check = checks.pad

    def __init__(self, widths: tuple[tuple[int, int], ...], value: float = 0.0) -> None:
        self.widths = tuple(map(tuple, widths))
        self.value = real(value, "value")

    def forward(self, x: Array) -> Array:
        return array_module(x).pad(x, self.widths, constant_values=self.value)

    def backward(self, gy: Array) -> Gradients:
        return gy[self.inside]

    @property
    def inside(self) -> tuple[slice, ...]:
        """The slices of y that hold x."""
        sizes = zip(self.widths, self.input_shapes[0], strict=True)
        return tuple(slice(before, before + size) for (before, _), size in sizes)


class Index(Op):
    """y = x[key], for the keys NumPy takes: integers, slices, None, ..., lists, arrays.

    gx = gy added to the elements that were taken, 0 elsewhere.  Saves nothing.
    """

    check = checks.index

    def __init__(self, key: Any, backend: str | None = None) -> None:
        self.key = key_parts(key, backend)

    def forward(self, x: Array) -> Array:
        return x[self.key]

    def backward(self, gy: Array) -> Gradients:
        xp = array_module(gy)
        gx = xp.zeros(self.input_shapes[0], gy.dtype)
        if self.may_repeat:
            xp.add.at(gx, self.key, gy)  # an index array may take the same element twice
        else:
            gx[self.key] = gy
        return gx

    @property
    def may_repeat(self) -> bool:
        """Whether an element may be taken more than once."""
        return any(map(is_array, self.key))


class Concatenate(Op):
    """y = x0, x1, ... one after the other along `dim`.  gx = the part of gy that came from x.

    Saves nothing.
    """

    check = checks.concatenate

    def __init__(self, count: int, dim: int = 0) -> None:
        self.input_names = tuple(f"x{i}" for i in range(count))
        self.dim = integer(dim, "dim")
        checks.some(count)

    def forward(self, *xs: Array) -> Array:
        return array_module(xs[0]).concatenate(xs, axis=self.dim)

    def backward(self, gy: Array) -> Gradients:
        ends = itertools.accumulate((shape[self.dim] for shape in self.input_shapes), initial=0)
        rows = gy.swapaxes(0, self.dim)
        return tuple(rows[a:b].swapaxes(0, self.dim) for a, b in itertools.pairwise(ends))
