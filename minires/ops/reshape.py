"""The same elements in another arrangement: reshape, permute, pad, index."""

import math
from typing import Any

from ..autograd import Gradients, Op, Tensor
from ..backend import Array, array_module, expect_same_backend, is_array, placed
from ..errors import ShapeError, expect


class Reshape(Op):
    """y = the elements of x in the shape `shape`.  gx = gy in the shape of x.  Saves nothing."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def forward(self, x: Array) -> Array:
        known = math.prod(size for size in self.shape if size != -1)
        free = self.shape.count(-1)
        valid = all(size >= -1 for size in self.shape)
        fits = x.size == known if free == 0 else free == 1 and known > 0 and x.size % known == 0
        expect(
            valid and fits, ShapeError, f"reshape got shape {x.shape} for the shape {self.shape}"
        )
        return x.reshape(self.shape)

    def backward(self, gy: Array) -> Gradients:
        return gy.reshape(self.input_shapes[0])


class Permute(Op):
    """y = x with its dimensions in the order `dims`.  gx = gy, put back.  Saves nothing."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        self.dims = dims

    def forward(self, x: Array) -> Array:
        self.dims = tuple(d % x.ndim if -x.ndim <= d < x.ndim else d for d in self.dims)
        expect(
            sorted(self.dims) == list(range(x.ndim)),
            ShapeError,
            f"permute got dims {self.dims} for shape {x.shape}; expected each of 0 to "
            f"{x.ndim - 1} once",
        )
        return x.transpose(self.dims)

    def backward(self, gy: Array) -> Gradients:
        back = sorted(range(gy.ndim), key=self.dims.__getitem__)  # the inverse permutation
        return gy.transpose(back)


class Pad(Op):
    """y = x with `widths[d] = (before, after)` constants around dimension d.

    gx = gy without them.  Saves nothing.
    """

    def __init__(self, widths: tuple[tuple[int, int], ...], value: float = 0.0) -> None:
        self.widths = widths
        self.value = value

    def forward(self, x: Array) -> Array:
        self.expect_widths(x)
        return array_module(x).pad(x, self.widths, constant_values=self.value)

    def backward(self, gy: Array) -> Gradients:
        return gy[self.inside]

    @property
    def inside(self) -> tuple[slice, ...]:
        """Where x lies in y."""
        sizes = zip(self.widths, self.input_shapes[0], strict=True)
        return tuple(slice(before, before + size) for (before, _), size in sizes)

    def expect_widths(self, x: Array) -> None:
        """Refuse widths that are not a pair for each dimension of x."""
        expect(
            len(self.widths) == x.ndim and all(n >= 0 for pair in self.widths for n in pair),
            ShapeError,
            f"pad got widths {self.widths} for shape {x.shape}; expected a (before, after) of "
            "sizes of at least 0 for each dimension",
        )


class Index(Op):
    """y = x[key], for the keys NumPy takes: integers, slices, None, ..., arrays.

    gx = gy added to the elements that were taken, 0 elsewhere.  Saves nothing.
    """

    def __init__(self, key: Any) -> None:
        parts = key if isinstance(key, tuple) else (key,)
        parts = tuple(part.data if isinstance(part, Tensor) else part for part in parts)
        # Copied: backward needs the key of forward, whatever became of the caller's array.
        self.key: tuple[Any, ...] = tuple(
            placed(part.copy()) if is_array(part) else part for part in parts
        )

    def forward(self, x: Array) -> Array:
        for part in filter(is_array, self.key):
            expect_same_backend("Index", x=x, key=part)
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
        return any(is_array(part) or isinstance(part, list | tuple) for part in self.key)
