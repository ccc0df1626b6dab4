"""The one place where the implementation of an operation is chosen.

A `Kernel` computes one kind of operation on the arrays of one backend. The reference, which
computes any operation as it is written in `minires.ops`, is a kernel too. Functions with faster
versions (an optimiser's update, the sum of two gradients) are in the same table.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import Any, TypeVar

import numpy as np

from ..backend import backend_name
from ..modes import modes
from ..ops.op import Gradients, Op
from .cpu.tuning import check_environment
from .lazy import realized

T = TypeVar("T")

_DTYPES = "fd"  # of inputs that kernels take: float32 and float64, as NumPy's characters


class Kernel:
    """How an operation is computed; this one, the reference, leaves it to the operation.

    A kernel has no state of its own: what its backward needs, it gives to `op.save`.

    Attributes:
        takes_lazy: whether `forward` and `backward` take a LazyArray where they take an array.
        fresh: whether the gradients from `backward` are new arrays, no two of them the same, so
            that one may become a leaf's `.grad` without a copy.
    """

    takes_lazy = False
    fresh = False

    def suits(self, op: Any, *inputs: Any) -> bool:
        """Return whether this kernel can compute `op` on these arrays, which may be lazy."""
        return True

    def check(self, op: Any, *inputs: Any) -> None:
        """Raise an error if the inputs do not fit the operation."""
        op.check(*inputs)

    def take(self, arrays: Sequence[Any]) -> list[Any]:
        """Return the arrays as `forward` and `backward` want them."""
        return list(arrays) if self.takes_lazy else [realized(a) for a in arrays]

    def forward(self, op: Any, *inputs: Any) -> Any:
        """Return the output, an array or a LazyArray."""
        return op.forward(*inputs)

    def leave(self, op: Any, *inputs: Any) -> Any:
        """Return the output by the reference, which computes backward too.

        For a `forward` that finds values which it does not compute as the reference does.
        """
        op.kernel = REFERENCE
        return op.forward(*inputs)

    def backward(self, op: Any, gy: Any) -> Gradients:
        """Return the gradients of the inputs, from that of the output."""
        gradients: Gradients = op.backward(gy)
        return gradients


REFERENCE = Kernel()

PACKAGES = {"numpy": ".cpu", "cupy": ".cuda"}  # which register the kernels of a backend
_tables: defaultdict[str, dict[Any, Any]] = defaultdict(dict)  # by backend, then by reference


def register(reference: Any, backend: str) -> Callable[[T], T]:
    """Return a decorator that registers a kernel of `reference` for the arrays of `backend`.

    That of an Op class is a subclass of Kernel; that of a function is a function of the same
    arguments.
    """

    def add(kernel: T) -> T:
        _tables[backend][reference] = kernel() if isinstance(kernel, type) else kernel
        return kernel

    return add


@cache
def registered(backend: str) -> dict[Any, Any]:
    """Return the kernels for `backend` by their reference, imported when first asked for."""
    check_environment()
    import_module(PACKAGES[backend], __package__)
    return _tables[backend]


def choose(op: Op, inputs: Sequence[Any]) -> Kernel:
    """Return the kernel to compute `op` on `inputs`, arrays or None; the reference within
    `textbook` and where no other suits."""
    if modes.textbook:
        return REFERENCE
    first = next(a for a in inputs if a is not None)
    kernel: Kernel | None = registered(backend_name(first)).get(type(op))
    if kernel and first.dtype.char in _DTYPES and kernel.suits(op, *inputs):
        return kernel
    return REFERENCE


def call(reference: Callable[..., T], like: Any, *arguments: Any) -> T:
    """Return `reference(*arguments)`, computed by the kernel for the backend of `like` if any."""
    kernel = None if modes.textbook else registered(backend_name(like)).get(reference)
    with np.errstate(under="ignore"):
        return kernel(*arguments) if kernel else reference(*map(realized, arguments))
