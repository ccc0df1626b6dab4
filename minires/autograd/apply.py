"""Applying an operation to tensors: forward, and what backward will need to know."""

import sys
import weakref
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from .. import kernels
from ..backend import (
    backend_name,
    expect_differentiable,
    expect_same_backend,
    is_array,
    load,
    moment,
    real_numbers,
    recorded,
)
from ..errors import DTypeError, GraphError, UsageError
from ..kernels import REFERENCE
from ..modes import modes
from ..ops import Op
from .operators import Operand
from .tensor import Tensor

# Frames of these modules never are "the forward line that made it".
_MACHINERY = (
    *("minires.autograd.", "minires.ops.", "minires.functional", "minires.nn."),
    "minires.deprecated",
)


def apply(op: Op, *inputs: Operand) -> Tensor:
    """Run the forward of `op`, and record where its inputs came from.

    Args:
        op: an operation that was not applied before.
        inputs: tensors; numbers and arrays take on the dtype and backend of these; None for an
            input left out.

    Raises:
        GraphError: it was applied before.
        DTypeError, DeviceError: the inputs are of two dtypes or on two backends.
        ShapeError and others: the inputs do not fit the operation.
    """
    if op.input_shapes:
        raise GraphError(f"{op.name} has been applied before; make a new one for each call")
    if op.kernel is not None:
        raise UsageError(
            f"{op.name} has set self.kernel, which tells what computes an operation; call it "
            "otherwise"
        )
    tensors = as_tensors(op, inputs)
    arrays = [None if t is None else t.held for t in tensors]
    op.kernel = kernels.choose(op, arrays)
    op.kernel.check(op, *arrays)
    arrays = [recorded(a) for a in op.kernel.take(arrays)]
    recording = modes.grad_enabled
    op.input_shapes = tuple([() if a is None else a.shape for a in arrays])
    op.needs_grad = tuple([recording and t is not None and t.requires_grad for t in tensors])
    for hook in modes.read_hooks:
        for t in tensors:
            if t is not None:
                hook(t, t.held)
    op.path = ".".join(modes.path)
    op.line = _forward_line()
    with np.errstate(under="ignore"):  # whatever the caller asked NumPy for: 0 is the right result
        y = op.kernel.forward(op, *arrays)
    # NumPy makes the reduction of an array to one number a scalar, which is no array.
    output = Tensor.holding(np.asarray(y) if isinstance(y, np.generic) else y)
    dtype = next(a.dtype for a in arrays if a is not None)
    if output.dtype != dtype:
        raise DTypeError(f"{op.name} made {output.dtype} out of {dtype}")
    if any(op.needs_grad) or (recording and op.recomputes):
        expect_differentiable(dtype)
        _record(op, tensors, output)
    else:
        op.saved = ()
    for hook in modes.forward_hooks:
        hook(op, tuple(REFERENCE.take(arrays)), output.data)
    return output


Op.engine = apply


def _record(op: Op, tensors: list[Tensor | None], output: Tensor) -> None:
    """Make `op` a node of the graph: where its inputs came from, and its output."""
    op.sources = tuple(
        [(t.op or t) if t is not None and t.requires_grad else None for t in tensors]
    )
    op.dtype = output.dtype
    op.moment = moment()
    op.output = weakref.ref(output)
    output.requires_grad = True
    output.op = op


def as_tensors(op: Op, inputs: tuple[Operand, ...]) -> list[Tensor | None]:
    """Return the inputs as tensors of one dtype and one backend.

    Raises:
        UsageError: one is None that must be given.
        DTypeError, DeviceError: they are of two dtypes or on two backends, or no real numbers.
    """
    tensors: list[Tensor | None] = [t for t in inputs if isinstance(t, Tensor)]
    if len(tensors) < len(inputs):
        tensors = _converted(op, inputs, tensors[0] if tensors else None)
    there = [t.held for t in tensors if t is not None]
    dtype, backend = there[0].dtype, backend_name(there[0])
    for other in there[1:]:
        if other.dtype != dtype:
            given = " and ".join(f"{name} {held.dtype}" for name, held in _named(op, tensors))
            raise DTypeError(f"{op.name} got {given}; convert one of them first")
        if backend_name(other) != backend:
            expect_same_backend(op.name, **dict(_named(op, tensors)))
    return tensors


def _converted(op: Op, inputs: tuple[Operand, ...], like: Tensor | None) -> list[Tensor | None]:
    tensors = [_tensor(value, like) for value in inputs]
    for name, t in zip(op.input_names, tensors, strict=False):
        if t is None and name not in op.optional:
            raise UsageError(f"{op.name} got None for its input {name}; expected a tensor")
    return tensors


def _tensor(value: Operand, like: Tensor | None) -> Tensor | None:
    if isinstance(value, Tensor) or value is None:
        return value
    if like is None:
        return Tensor(value)
    dtype = like.dtype if like.dtype.kind == "f" else None
    if is_array(value):
        return Tensor(value, dtype=dtype)
    if type(value) not in (int, float):
        value = real_numbers(value)
    with np.errstate(under="ignore"):
        return Tensor.holding(load(backend_name(like.held)).asarray(value, dtype=dtype))


def _named(op: Op, tensors: list[Tensor | None]) -> Iterator[tuple[str, Any]]:
    named = zip(op.input_names, tensors, strict=False)
    return ((name, t.held) for name, t in named if t is not None)


def _forward_line() -> tuple[str, int]:
    frame = sys._getframe(2)
    while frame.f_back and _is_machinery(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


@cache
def _is_machinery(module: str) -> bool:
    return module.startswith(_MACHINERY)
