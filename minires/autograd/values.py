"""What a tensor is to NumPy and to Python: sizes, numbers, comparisons, text; no operations."""

import operator
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import flag, integer, shown
from ..backend import Array, expect_same_backend, is_array, single, to_numpy
from ..errors import DTypeError, ShapeError
from ..pytorch import missing_attribute

_SHOWN = 12  # elements that a tensor's line of text has


class Size(int):
    """The number of elements, as NumPy's; called, the shape or one size of it, as PyTorch's."""

    shape: tuple[int, ...]

    def __call__(self, dim: int | None = None) -> Any:
        """Return the shape, or its size number `dim`.

        Raises:
            ShapeError: there is no such dimension.
        """
        if dim is None:
            return self.shape
        if not -len(self.shape) <= integer(dim, "dim") < len(self.shape):
            raise ShapeError(f"size got dim={dim} for shape {self.shape}")
        return self.shape[dim]


class Values:
    """The methods of a Tensor that read it, and record nothing.

    Comparisons are those of its array, and give arrays: x == y is true or false for each element,
    and `x in y` whether any is equal. As a key of a dictionary a tensor is itself and no other.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        held: Any
        requires_grad: bool
        op: Any

        @property
        def data(self) -> Array:
            """The array."""

        def __getitem__(self, key: Any) -> Any: ...

    # --- sizes ----------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the dimensions."""
        return self.held.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        return self.held.dtype

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> Size:
        """The number of elements; `x.size()` is the shape and `x.size(0)` its first size."""
        size = Size(self.held.size)
        size.shape = self.shape
        return size

    def numel(self) -> int:
        """Return the number of elements."""
        return int(self.held.size)

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    # --- numbers --------------------------------------------------------------------------

    def numpy(self) -> Array:
        """Return the data as a NumPy array: shared on the CPU, copied from a GPU."""
        return to_numpy(self.data)

    def item(self) -> float:
        """Return the single element as a Python number."""
        return single(self.data)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        if self.held.size != 1:
            raise ShapeError(
                f"a tensor of shape {self.shape} is neither true nor false as a whole; compare it, "
                "and ask for any() or all() of the array"
            )
        return bool(self.item())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __dlpack__(self, **options: Any) -> Any:
        return self.data.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.data.__dlpack_device__()

    def argmax(self, dim: int | None = None, keepdim: bool = False) -> Array:
        """Return where the largest elements are along `dim`, or in the flattened tensor.

        Returns:
            An array of integers: of equal elements the first, and the first NaN if there is one.
        """
        return self._extreme_index("argmax", dim, keepdim)

    def argmin(self, dim: int | None = None, keepdim: bool = False) -> Array:
        """Return where the smallest elements are, as `argmax` does for the largest."""
        return self._extreme_index("argmin", dim, keepdim)

    def _extreme_index(self, name: str, dim: int | None, keepdim: bool) -> Array:
        dims = range(self.ndim) if dim is None else (integer(dim, "dim"),)
        known = dim is None or -self.ndim <= dim < self.ndim
        if not known or 0 in (self.shape[d] for d in dims):
            raise ShapeError(
                f"{name} got dim={dim} for shape {self.shape}; expected an element along it"
            )
        return getattr(self.data, name)(axis=dim, keepdims=flag(keepdim, "keepdim"))

    # --- comparisons ----------------------------------------------------------------------

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> Any:
        return self._compared(operator.eq, other)

    def __ne__(self, other: object) -> Any:
        return self._compared(operator.ne, other)

    def __lt__(self, other: Any) -> Any:
        return self._compared(operator.lt, other)

    def __le__(self, other: Any) -> Any:
        return self._compared(operator.le, other)

    def __gt__(self, other: Any) -> Any:
        return self._compared(operator.gt, other)

    def __ge__(self, other: Any) -> Any:
        return self._compared(operator.ge, other)

    def __contains__(self, value: object) -> bool:
        return bool(np.any(self._compared(operator.eq, value)))

    def _compared(self, compare: Callable[[Any, Any], Any], other: Any) -> Any:
        """Return what comparing the arrays gives.

        Raises:
            ShapeError, DTypeError, DeviceError: they cannot be compared.
        """
        other = other.data if isinstance(other, Values) else other
        if is_array(other):
            expect_same_backend("a comparison", left=self.data, right=other)
        try:
            return compare(self.data, other)
        except ValueError:
            raise ShapeError(f"a tensor of shape {self.shape} and {shown(other)}") from None
        except TypeError:
            raise DTypeError(f"a tensor of {self.dtype} and {shown(other)}") from None

    # --- text -----------------------------------------------------------------------------

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __repr__(self) -> str:
        """Return one line: all of a few elements; of many the first ones, and the shape."""
        facts = [f"dtype={self.dtype}"]
        facts += ["requires_grad=True"] if self.requires_grad and not self.op else []
        facts += [f"op={self.op.name}"] if self.op else []
        array = self.numpy()
        if array.size > _SHOWN:
            facts.insert(0, f"shape={self.shape}")
            array = array.ravel()[: _SHOWN // 2]
        text = " ".join(np.array2string(array, separator=", ").split())
        if self.held.size > _SHOWN:
            text = f"{text[:-1]}, ...]"
        return f"{type(self).__name__}({text}, {', '.join(facts)})"

    if not TYPE_CHECKING:  # to a type checker, only what is here is here

        def __getattr__(self, name):
            raise missing_attribute(self, "Tensor", name)
