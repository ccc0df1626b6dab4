"""The operators of a Tensor: + − × ÷, @, [], sum, reshape, ...; each applies an operation."""

import math
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias

from ..arguments import integer, is_integer
from ..backend import Array, backend_name, is_array, real_numbers
from ..errors import MiniresError, RangeError, ShapeError
from ..ops.arithmetic import Abs, Add, Div, Exp, Log, Mul, Neg, Pow, PowerOf, Sqrt, Sub
from ..ops.loss import LogSoftmax
from ..ops.matmul import Matmul
from ..ops.reduce import Max, Mean, Min, Sum
from ..ops.relu import ReLU
from ..ops.reshape import Index, Permute, Reshape

Operand: TypeAlias = Any  # a Tensor, an array, or a number
Dims: TypeAlias = int | tuple[int, ...] | None


class Extremes(NamedTuple):
    """The largest or smallest elements along one dimension, and where they are, an array."""

    values: Any
    indices: Array


class Operators:
    """The methods of a Tensor that apply operations."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def shape(self) -> tuple[int, ...]:
            """The sizes of the dimensions."""

        @property
        def ndim(self) -> int:
            """The number of dimensions."""

        @property
        def data(self) -> Array:
            """The array."""

        held: Any

        def argmax(self, dim: int | None = None, keepdim: bool = False) -> Array: ...

        def argmin(self, dim: int | None = None, keepdim: bool = False) -> Array: ...

    def __add__(self, other: Operand) -> Self:
        return Add()(self, other)

    def __radd__(self, other: Operand) -> Self:
        return Add()(other, self)

    def __sub__(self, other: Operand) -> Self:
        return Sub()(self, other)

    def __rsub__(self, other: Operand) -> Self:
        return Sub()(other, self)

    def __mul__(self, other: Operand) -> Self:
        return Mul()(self, other)

    def __rmul__(self, other: Operand) -> Self:
        return Mul()(other, self)

    def __truediv__(self, other: Operand) -> Self:
        return Div()(self, other)

    def __rtruediv__(self, other: Operand) -> Self:
        return Div()(other, self)

    def __neg__(self) -> Self:
        return Neg()(self)

    def __pow__(self, exponent: float) -> Self:
        return Pow(exponent)(self)

    def __rpow__(self, base: float) -> Self:
        return PowerOf(base)(self)

    def __abs__(self) -> Self:
        return Abs()(self)

    def __matmul__(self, other: Operand) -> Self:
        return _product(self, other)

    def __rmatmul__(self, other: Operand) -> Self:
        return _product(other, self)

    def __getitem__(self, key: Any) -> Self:
        """Return the elements that a key of integers, slices, None, ..., lists, arrays takes.

        Raises:
            RangeError: the key does not fit the shape.
            DTypeError: a part of the key is something else.
        """
        parts = key if isinstance(key, tuple) else (key,)
        key = tuple(p.data if isinstance(p, Operators) else p for p in parts)
        try:
            return Index(key, backend_name(self.held))(self)
        except MiniresError:
            raise
        except (IndexError, ValueError, OverflowError) as error:
            raise RangeError(f"a key does not fit shape {self.shape}: {error}") from None

    def exp(self) -> Self:
        """Return e to the power of each element."""
        return Exp()(self)

    def log(self) -> Self:
        """Return the natural logarithm of each element."""
        return Log()(self)

    def abs(self) -> Self:
        """Return |x| of each element."""
        return Abs()(self)

    def sqrt(self) -> Self:
        """Return the square root of each element."""
        return Sqrt()(self)

    def softmax(self, dim: int = -1) -> Self:
        """Return eˣ / Σ eˣ along `dim`."""
        return Exp()(LogSoftmax(dim)(self))

    def relu(self) -> Self:
        """Return max(x, 0) of each element."""
        return ReLU()(self)

    def sum(self, dim: Dims = None, keepdim: bool = False) -> Self:
        """Return the sum over the dimensions `dim` (all of them by default)."""
        return Sum(dim, keepdim)(self)

    def mean(self, dim: Dims = None, keepdim: bool = False) -> Self:
        """Return the mean over the dimensions `dim` (all of them by default)."""
        return Mean(dim, keepdim)(self)

    def max(self, dim: Dims = None, keepdim: bool = False) -> Any:
        """Return the largest of all elements, or (values, indices) along one dimension `dim`.

        Equal ones share the gradient. A NaN is larger than any number. Over a tuple of dimensions
        the values alone are returned.
        """
        values = Max(dim, keepdim)(self)
        return Extremes(values, self.argmax(dim, keepdim)) if is_integer(dim) else values

    def min(self, dim: Dims = None, keepdim: bool = False) -> Any:
        """Return the smallest elements, as `max` does the largest."""
        values = Min(dim, keepdim)(self)
        return Extremes(values, self.argmin(dim, keepdim)) if is_integer(dim) else values

    def reshape(self, *shape: Any) -> Self:
        """Return the same elements in another shape, as sizes or one tuple; one may be -1."""
        return Reshape(_unpacked(shape))(self)

    view = reshape

    def flatten(self, start_dim: int = 0) -> Self:
        """Return the dimensions from `start_dim` on as one.

        Raises:
            ShapeError: there is no such dimension.
        """
        n = max(self.ndim, 1)  # a single number is as good as one dimension
        if not -n <= integer(start_dim, "start_dim") < n:
            raise ShapeError(f"flatten got start_dim={start_dim} for shape {self.shape}")
        start = start_dim % n
        return self.reshape(*self.shape[:start], math.prod(self.shape[start:]))

    def permute(self, *dims: Any) -> Self:
        """Return the dimensions in another order, as numbers or one tuple."""
        return Permute(_unpacked(dims))(self)

    def transpose(self, dim0: int, dim1: int) -> Self:
        """Return two dimensions exchanged.

        Raises:
            ShapeError: there is no such dimension.
        """
        dim0, dim1 = integer(dim0, "dim0"), integer(dim1, "dim1")
        if not all(-self.ndim <= d < self.ndim for d in (dim0, dim1)):
            raise ShapeError(f"transpose got dimensions {dim0} and {dim1} for shape {self.shape}")
        dims = list(range(self.ndim))
        dims[dim0], dims[dim1] = dims[dim1], dims[dim0]
        return self.permute(*dims)

    @property
    def T(self) -> Self:  # noqa: N802 - the field's own name
        """The dimensions in reverse order."""
        return self.permute(*reversed(range(self.ndim)))


def _unpacked(numbers: tuple[Any, ...]) -> tuple[int, ...]:
    """Return (2, 3) for both f(2, 3) and f((2, 3))."""
    one_tuple = len(numbers) == 1 and isinstance(numbers[0], tuple | list)
    return tuple(numbers[0]) if one_tuple else numbers


def _product(a: Operand, b: Operand) -> Any:
    """Return a b; a vector is a row before a matrix and a column after one, and leaves no size."""
    a, b = (x if isinstance(x, Operators) or is_array(x) else real_numbers(x) for x in (a, b))
    row, column = a.ndim == 1, b.ndim == 1
    y = Matmul()(a[None] if row else a, b[:, None] if column else b)
    if row or column:
        y = y[..., 0, 0] if row and column else y[..., 0, :] if row else y[..., 0]
    return y
