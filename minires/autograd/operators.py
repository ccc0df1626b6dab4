"""The operators of a Tensor: + − × ÷, @, [], sum, reshape, ...

Each makes an operation and applies it. The operations are found by name in a table which
`minires.ops` fills, so that the engine need not know a single one of them.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import ShapeError, expect

if TYPE_CHECKING:
    from .engine import Op, Operand, Tensor

table: "dict[str, Callable[..., Op]]" = {}


class Operators:
    """What can be done with a Tensor; the half of it that makes operations."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def shape(self) -> tuple[int, ...]:
            """The sizes of the dimensions."""

        @property
        def ndim(self) -> int:
            """The number of dimensions."""

    def __add__(self, other: "Operand") -> "Tensor":
        return table["Add"]()(self, other)

    def __radd__(self, other: "Operand") -> "Tensor":
        return table["Add"]()(other, self)

    def __sub__(self, other: "Operand") -> "Tensor":
        return table["Sub"]()(self, other)

    def __rsub__(self, other: "Operand") -> "Tensor":
        return table["Sub"]()(other, self)

    def __mul__(self, other: "Operand") -> "Tensor":
        return table["Mul"]()(self, other)

    def __rmul__(self, other: "Operand") -> "Tensor":
        return table["Mul"]()(other, self)

    def __truediv__(self, other: "Operand") -> "Tensor":
        return table["Div"]()(self, other)

    def __rtruediv__(self, other: "Operand") -> "Tensor":
        return table["Div"]()(other, self)

    def __neg__(self) -> "Tensor":
        return table["Neg"]()(self)

    def __pow__(self, exponent: float) -> "Tensor":
        return table["Pow"](exponent)(self)

    def __matmul__(self, other: "Operand") -> "Tensor":
        return table["Matmul"]()(self, other)

    def __rmatmul__(self, other: "Operand") -> "Tensor":
        return table["Matmul"]()(other, self)

    def __getitem__(self, key: Any) -> "Tensor":
        return table["Index"](key)(self)

    def exp(self) -> "Tensor":
        """e to the power of each element."""
        return table["Exp"]()(self)

    def log(self) -> "Tensor":
        """The natural logarithm of each element."""
        return table["Log"]()(self)

    def relu(self) -> "Tensor":
        """max(x, 0) of each element."""
        return table["ReLU"]()(self)

    def sum(self, dim: int | tuple[int, ...] | None = None, keepdim: bool = False) -> "Tensor":
        """The sum over the dimensions `dim` (all of them by default)."""
        return table["Sum"](dim, keepdim)(self)

    def mean(self, dim: int | tuple[int, ...] | None = None, keepdim: bool = False) -> "Tensor":
        """The mean over the dimensions `dim` (all of them by default)."""
        return table["Mean"](dim, keepdim)(self)

    def max(self, dim: int | tuple[int, ...] | None = None, keepdim: bool = False) -> "Tensor":
        """The largest element over the dimensions `dim` (all of them by default)."""
        return table["Max"](dim, keepdim)(self)

    def reshape(self, *shape: Any) -> "Tensor":
        """The same elements in another shape, as sizes or as one tuple; one may be -1."""
        return table["Reshape"](_unpacked(shape))(self)

    def flatten(self, start_dim: int = 0) -> "Tensor":
        """The dimensions from `start_dim` on, as one."""
        n = max(self.ndim, 1)  # a single number is as good as one dimension
        expect(
            -n <= start_dim < n,
            ShapeError,
            f"flatten got start_dim={start_dim} for shape {self.shape}",
        )
        return self.reshape(*self.shape[:start_dim], -1)

    def permute(self, *dims: Any) -> "Tensor":
        """The dimensions in another order, as numbers or as one tuple."""
        return table["Permute"](_unpacked(dims))(self)

    def transpose(self, dim0: int, dim1: int) -> "Tensor":
        """Two dimensions exchanged."""
        expect(
            all(-self.ndim <= d < self.ndim for d in (dim0, dim1)),
            ShapeError,
            f"transpose got dimensions {dim0} and {dim1} for shape {self.shape}",
        )
        dims = list(range(self.ndim))
        dims[dim0], dims[dim1] = dims[dim1], dims[dim0]
        return self.permute(*dims)

    @property
    def T(self) -> "Tensor":  # noqa: N802 - the field's own name
        """The dimensions in reverse order."""
        return self.permute(*reversed(range(self.ndim)))


def _unpacked(numbers: tuple[Any, ...]) -> tuple[int, ...]:
    """(2, 3) of both f(2, 3) and f((2, 3))."""
    one_tuple = len(numbers) == 1 and isinstance(numbers[0], tuple | list)
    return tuple(numbers[0]) if one_tuple else numbers
