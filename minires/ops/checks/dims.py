"""Check the dimensions and shapes that reductions and rearrangements are asked for."""

import math
from typing import Any

from ...arguments import LARGEST, is_integer, shown
from ...backend import Array, expect_same_backend, is_array
from ...errors import ShapeError


def reduction(op: Any, x: Array) -> None:
    """Check that `op.dim` are dimensions of x, each at most once."""
    dims = op.dims(x)
    whole = [d for d in dims if is_integer(d) and -x.ndim <= d < x.ndim]
    if len({d % x.ndim for d in whole}) != len(dims):
        raise ShapeError(
            f"{op.name} got dim={shown(op.dim)} for shape {x.shape}; expected dimensions of it, "
            "each at most once"
        )


def reduction_of_some(op: Any, x: Array) -> None:
    """Check the dimensions, and that there are elements along them."""
    reduction(op, x)
    if 0 in (x.shape[d] for d in op.axes(x)):
        raise ShapeError(
            f"{op.name} got dim={op.dim} for shape {x.shape}; expected an element along it"
        )


def reshape(op: Any, x: Array) -> None:
    """Check that the elements of x fit the shape, of which one size may be -1."""
    valid = all(is_integer(n) and -1 <= n <= max(x.size, LARGEST) for n in op.shape)
    known = math.prod(n for n in op.shape if n != -1) if valid else 0
    free = op.shape.count(-1) if valid else 0
    fits = x.size == known if free == 0 else free == 1 and known > 0 and x.size % known == 0
    if not (valid and fits):
        raise ShapeError(
            f"reshape got shape {x.shape} for the shape {shown(op.shape)}; expected sizes with as "
            "many elements, one of which may be -1"
        )


def permute(op: Any, x: Array) -> None:
    """Check that `op.dims` names every dimension of x once."""
    n = x.ndim
    dims = [d % n for d in op.dims if is_integer(d) and -n <= d < n]
    if len(op.dims) != n or sorted(dims) != list(range(n)):
        raise ShapeError(
            f"permute got dims {shown(op.dims)} for shape {x.shape}; expected each of 0 to {n - 1} "
            "once"
        )


def pad(op: Any, x: Array) -> None:
    """Check for two widths of at least 0 for each dimension of x."""
    widths = [n for both in op.widths for n in both]
    if len(op.widths) != x.ndim or not all(is_integer(n) and 0 <= n <= LARGEST for n in widths):
        raise ShapeError(
            f"pad got widths {shown(op.widths)} for shape {x.shape}; expected a (before, after) of "
            "sizes of at least 0 for each dimension"
        )


def index(op: Any, x: Array) -> None:
    """Check that arrays in the key are on the backend of x."""
    for part in filter(is_array, op.key):
        expect_same_backend("Index", x=x, key=part)


def some(count: int) -> None:
    """Check that there is something to concatenate."""
    if not count:
        raise ShapeError("cat got no tensors; expected at least one")


def concatenate(op: Any, *xs: Array) -> None:
    """Check that all have one shape but for the sizes along `op.dim`."""
    shapes = [x.shape for x in xs]
    if not -xs[0].ndim <= op.dim < xs[0].ndim:
        raise ShapeError(f"cat got dim={op.dim} for shape {shapes[0]}; expected a dimension of it")
    axis = op.dim % xs[0].ndim
    if len({(len(s), *s[:axis], *s[axis + 1 :]) for s in shapes}) > 1:
        given = ", ".join(map(str, shapes[:5])) + (", ..." if len(shapes) > 5 else "")
        raise ShapeError(f"cat got the shapes {given}; expected equal ones but along dim {op.dim}")
