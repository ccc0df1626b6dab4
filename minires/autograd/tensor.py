"""A tensor: an array, its gradient, and the operation that made it.

That operation knows what made its inputs: other operations, or leaf tensors. So the edges of the
graph never run through a tensor, and it keeps alive only what operations chose to `save`; nor
forwards, so that dropping the loss frees everything.
"""

from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from ..arguments import flag
from ..backend import (
    Array,
    converted,
    destination,
    expect_differentiable,
    expect_real,
    is_array,
    is_same,
    move,
    note_replacement,
    note_write,
    placed,
    plain,
    real_numbers,
    recorded,
    recorder,
)
from ..errors import DTypeError, GraphError
from ..kernels import is_begun, realized
from ..modes import modes
from ..ops import Op
from .backward import cotangent, walk
from .hooks import GradientHook, Handle, Hooks, hooked
from .operators import Operand, Operators
from .selection import Ops, matching
from .step import Step
from .values import Values


class Tensor(Operators, Values):
    """An array that remembers how it was made.

    Args:
        data: a Tensor, an array (not copied), a number or a nested list (Python floats become
            float32). NumPy arrays and numbers go to the default backend, see `backend.use`.
        requires_grad: whether `backward` leaves a gradient in `.grad`; float32, float64 only.
        dtype: convert `data` to it.

    Attributes:
        data: the array, NumPy's or CuPy's. Another one may be assigned at any time. Elements must
            not be written between forward and backward, which may need the former ones: backward
            raises after SGD.step, load_state_dict and `t.data -= 1`, but cannot know of
            `t.data[0] = 1`.
        grad: an array of the same shape and dtype, or None; gradients of several
            backward passes add up until `zero_grad`.
        op: the operation that made this tensor, or None for a leaf.
        name: its name in its module, such as "weight"; "" outside a module.

    Raises:
        DTypeError: `requires_grad` on a type that has no gradients; data that are complex or no
            numbers, or a masked array.
    """

    __slots__ = (
        *("__weakref__", "assigned", "held", "held_grad", "hooks", "name", "op"),
        *("requires_grad", "retains_grad"),
    )
    __array_ufunc__ = None  # ndarray + Tensor is Tensor.__radd__'s, not an array of objects

    def __init__(self, data: Operand, requires_grad: bool = False, dtype: Any = None) -> None:
        if isinstance(data, Tensor):
            data = data.data
        elif not is_array(data):
            given, data = data, real_numbers(data)
            if data.dtype == np.float64 and not hasattr(given, "dtype"):
                data = converted(data, np.float32)
        data = placed(data)
        if dtype is not None:
            data = converted(data, *destination(dtype=dtype)[:1])
        self._hold(data, requires_grad)

    @classmethod
    def holding(cls, data: Any, requires_grad: bool = False) -> Self:
        """Return a tensor of just this array, or of what stands for one until it is computed."""
        tensor = cls.__new__(cls)
        tensor._hold(data, requires_grad)
        return tensor

    def _hold(self, data: Any, requires_grad: bool) -> None:
        self.requires_grad = flag(requires_grad, "requires_grad")
        if requires_grad:
            expect_differentiable(data.dtype)
        expect_real(data.dtype)
        self.held = data
        self.held_grad: Any = None
        self.op: Op | None = None
        self.hooks: Hooks = ()
        self.retains_grad = False
        self.name = ""
        self.assigned = -1

    @property
    def data(self) -> Array:
        """The array."""
        for hook in modes.read_hooks:
            hook(self, self.held)
        self.held = realized(self.held)
        return recorded(self.held)

    @data.setter
    def data(self, data: Array) -> None:
        # t.data -= 1 changes the array, then assigns it
        if data is self.held or (recorder() and is_same(data, self.held)):
            note_write(data, "an assignment to .data", self.name)
            return
        if not isinstance(data, np.generic) and not is_array(data):
            raise DTypeError(f"a tensor's data are an array, got {type(data).__name__}")
        if recorder():
            raise GraphError(
                "the step assigns another array to .data, and a replay assigns nothing; write "
                "into the array there is, as in t.data[...] = x, or leave out the record"
            )
        self.held = plain(data)
        self.assigned = note_replacement()

    def detach(self) -> "Tensor":
        """Return the same data as a leaf that requires no gradient."""
        return Tensor.holding(self.data)

    def to(self, *targets: Any, dtype: Any = None, backend: str | None = None) -> "Tensor":
        """Return the same data in a dtype or on a backend, as a leaf.

        Args:
            targets: a backend, "numpy" or "cupy", or a dtype, or both; dtype, backend: by name.

        Raises:
            GraphError: an operation made it; its graph would end here.
            UsageError, DeviceError: there is no such backend or dtype, or it cannot be used.
        """
        if self.op is not None:
            raise GraphError(
                f"a graph has one backend and one dtype, but {self.op.name} made this tensor; "
                "detach() it, or convert what it was made from"
            )
        dtype, backend = destination(*targets, dtype=dtype, backend=backend)
        data = self.data if dtype is None else converted(self.data, dtype)
        return Tensor.holding(data if backend is None else move(data, backend), self.requires_grad)

    # --- gradients ----------------------------------------------------------------------

    @property
    def grad(self) -> Array | None:
        """The gradient, or None; one that a GPU is still computing is waited for."""
        if here := recorder():
            here.state.touch(self, read=True)
        self.held_grad = realized(self.held_grad)
        return recorded(self.held_grad)

    @grad.setter
    def grad(self, grad: Array | None) -> None:
        if here := recorder():
            here.state.touch(self, read=False)
        self.held_grad = grad

    def zero_grad(self) -> None:
        """Set the gradient to None."""
        self.grad = None

    def retain_grad(self) -> None:
        """Keep this interior tensor's gradient in `.grad` when backward passes through."""
        self.retains_grad = True

    def register_hook(self, hook: GradientHook) -> Handle:
        """Call `hook(gradient)` in each backward pass, once all of this tensor's gradient is there.

        The gradient is an array, which must not be written to; one that the hook returns goes on
        instead, of the same shape and dtype.

        Raises:
            GraphError: the tensor requires no gradient.
        """
        if not self.requires_grad:
            raise GraphError("register_hook() on a tensor that requires no gradient, and gets none")
        return Handle(self if self.op is None else self.op, hook)

    def accumulate(self, gx: Array, copy: bool = True) -> None:
        """Add `gx` to `.grad`; without `copy` the array itself may become it."""
        if is_begun(gx) and not copy and self.grad is None:
            self.held_grad = gx
            return
        gx = realized(gx)
        if self.grad is not None:  # the sum is new
            gx, copy = self.grad + gx, False
        if isinstance(gx, np.generic):  # what NumPy makes of sums of 0-d arrays
            gx, copy = np.asarray(gx), False
        self.grad = gx.copy(order="K") if copy else gx

    def backward(self, gy: Operand = None, retain_graph: bool = False) -> None:
        """Leave d(self · gy)/d(leaf) in the `.grad` of every leaf that requires it.

        Args:
            gy: the gradient of this tensor, of its shape and dtype; 1 for a single element.
            retain_graph: keep what operations saved, so that backward can run again.

        Raises:
            GraphError: nothing here requires a gradient, or the graph was released.
            ShapeError: `gy` is missing for more than one element, or has another shape.
        """
        for _ in self._walk(cotangent(self, gy), retain_graph):
            pass

    def backward_steps(
        self,
        gy: Operand = None,
        retain_graph: bool = False,
        ops: Ops = None,
        path: str | None = None,
    ) -> Iterator[Step]:
        """Walk backwards one operation at a time; `backward` is the same walk.

        Each `Step` is given out after its operation's backward has run; what is then in the list
        `step.gxs` goes on. The walk can be left in the middle: visited operations are released,
        leaves that it has not reached get no gradient of it.

        Args:
            gy, retain_graph: as for `backward`, whose errors it raises too.
            ops: give out the steps of these operations alone: the name or class of one, or
                several, such as "Add" or ["Conv2d", "Linear"].
            path: give out the steps in this module alone, such as "layer2", "layer2.0.conv1"
                or, with * for anything, "*.bn1".

        Raises:
            UsageError: no operation that led here is one of `ops` in `path`.
            ShapeError, DTypeError: a gradient was replaced by one that is not its input's.
        """
        wanted = f"ops={ops!r}, path={path!r}"
        return self._walk(cotangent(self, gy), retain_graph, matching(ops, path), wanted)

    def _walk(self, gy: Array, *how: Any) -> Iterator[Step]:
        if self.op is not None:
            return walk(self.op, gy, *how)
        self.accumulate(hooked(self.hooks, gy))
        return iter(())
