"""The backward pass: the order of the operations, and the walk through them.

The walk visits the operations in the reverse of the order in which they ran; each turns the
gradient of its output into the gradients of its inputs, which go on to what made them.
"""

import time
from collections.abc import Callable, Generator
from typing import Any

import numpy as np

from .. import kernels
from ..arguments import flag
from ..backend import (
    Array,
    array_module,
    backend_name,
    converted,
    expect_same_backend,
    is_array,
    is_read_only,
    later_write,
    plain,
    real_numbers,
    recorded,
)
from ..errors import GraphError, ShapeError
from ..kernels import REFERENCE
from ..modes import modes
from ..ops import Op
from ..ops.arithmetic import add_gradients
from .hooks import hooked
from .selection import expect_some
from .step import Step, check_gradients


def reverse_order(last: Op, since: int = 0) -> list[Op]:
    """Return every operation that led to `last` from the moment `since` on, the latest first.

    Raises:
        GraphError: a backward pass has released one of them.
    """
    found: set[Op] = set()
    waiting = [last]
    while waiting:
        op = waiting.pop()
        if op in found or op.moment < since:
            continue
        if op.released:
            raise GraphError(
                f"backward() has already been through {op.name} ({op.where}) and released what "
                "it had saved; give the first backward retain_graph=True, or run forward again"
            )
        found.add(op)
        waiting += [source for source in op.sources if isinstance(source, Op)]
    return sorted(found, key=lambda op: op.moment, reverse=True)


def expect_unchanged(op: Op) -> None:
    """Raise GraphError if minires has written in place to an array that `op` saved."""
    for array in filter(is_array, op.saved):
        if write := later_write(array, than=op.moment):
            raise GraphError(
                f"{op.name} ({op.where}) saved {write.name or 'an array'} of shape {array.shape} "
                f"for backward, and {write.writer} has changed it in place since; call backward() "
                f"before {write.writer}, or run forward again"
            )


def walk(
    last: Op,
    gy: Array,
    retain_graph: bool = False,
    asked: Callable[[Op], bool] | None = None,
    wanted: str = "",
    since: int = 0,
) -> Generator[Step, None, dict[Op, Any]]:
    """Walk back from the operation `last`, and give out the steps `asked` for.

    Args:
        last: the operation whose output has the gradient `gy`.
        gy: an array of the output's shape and dtype.
        retain_graph: keep what operations saved.
        asked: tells which operations' steps to give out; None gives out none.
        wanted: `asked` in words, for the error where no operation is asked for.
        since: the moment before which the walk stops.

    Returns:
        The gradients of the operations that ran before, which the walk has not been to.

    Raises:
        GraphError: a backward pass has released an operation, or an array that one saved was
            changed in place.
        UsageError: `wanted`, and no operation is asked for.
        ShapeError, DTypeError, DeviceError: a gradient is not one of its input.
    """
    retain_graph = flag(retain_graph, "retain_graph")
    order = reverse_order(last, since)
    if asked is not None and wanted and not any(op.recomputes for op in order):
        expect_some(any(map(asked, order)), wanted, order)
    grads: dict[Any, Any] = {last: gy}
    for op in order:
        if op not in grads:  # every operation that used its output had no gradient for it
            continue
        incoming = hooked(op.hooks, grads.pop(op)) if op.hooks else grads.pop(op)
        output = op.output()
        if output is not None and output.retains_grad:
            output.accumulate(*REFERENCE.take([incoming]))
        expect_unchanged(op)
        watched = asked is not None or bool(modes.backward_hooks)
        started = time.perf_counter() if watched else 0.0
        gy = recorded(op.kernel.take([incoming])[0])
        if op.recomputes:
            gxs = yield from op.walk(gy, asked)
        else:
            with np.errstate(under="ignore"):
                gxs = op.kernel.backward(op, gy)
        outgoing = list(gxs) if isinstance(gxs, tuple) else [gxs]
        sources = op.sources
        if not retain_graph:
            op.release()
        if watched:
            seconds = time.perf_counter() - started
            added = tuple(s in grads or getattr(s, "grad", None) is not None for s in sources)
            step = Step(op, incoming, outgoing, sources, added, seconds)
            for hook in modes.backward_hooks:
                hook(step)
            if asked is not None and asked(op):
                yield step
            step.check_replaced()
        check_gradients(op, outgoing)
        _pass_on(op, sources, outgoing, grads, shared=watched or not op.kernel.fresh)
    for leaf in [source for source in grads if not isinstance(source, Op)]:
        leaf.accumulate(hooked(leaf.hooks, grads.pop(leaf)))
    return grads


def _pass_on(
    op: Op, sources: tuple[Any, ...], gxs: list[Any], grads: dict[Any, Any], shared: bool
) -> None:
    """Add gradients to those of the operations and leaves that the inputs came from.

    They are copied for leaves if somebody else may have them (`shared`). That of a leaf with hooks
    is added up as an operation's is, for they are called with all of it.
    """
    for source, gx in zip(sources, gxs, strict=True):
        if source is None or gx is None:
            continue
        if not isinstance(source, Op):
            _expect_same_kind(op, source, gx)
            if not source.hooks:
                source.accumulate(gx, copy=shared or is_read_only(gx))
                continue
            (gx,) = REFERENCE.take([gx])
        if source in grads:
            there = grads[source]
            grads[source] = kernels.call(add_gradients, there, there, gx)
        else:
            grads[source] = gx


def _expect_same_kind(op: Op, leaf: Any, gx: Any) -> None:
    """Raise GraphError if a leaf's data were replaced by other than a gradient's kind."""
    there = leaf.held
    alike = there.shape == gx.shape and there.dtype == gx.dtype
    if not alike or (type(there) is not type(gx) and backend_name(there) != backend_name(gx)):
        words = [f"shape {a.shape}, {a.dtype} on {backend_name(a)}" for a in (gx, there)]
        raise GraphError(
            f"{op.name} ({op.where}) took {leaf.name or 'a leaf'} of {words[0]}, which now is of "
            f"{words[1]}; call backward() before its data are replaced"
        )


def cotangent(y: Any, gy: Any) -> Array:
    """Return the gradient `gy` of the tensor `y` as an array of its shape and dtype.

    Raises:
        GraphError: nothing that led to `y` requires a gradient.
        ShapeError: `gy` is missing for more than one element, or has another shape.
    """
    if not y.requires_grad:
        raise GraphError(
            "backward() on a tensor that no leaf with requires_grad=True led to; "
            "set requires_grad on the inputs, and compute outside no_grad()"
        )
    xp = array_module(y.data)
    if gy is None:
        if y.size != 1:
            raise ShapeError(
                f"backward() of a tensor of shape {y.shape} needs gy, a gradient of that "
                "shape; only a single element has 1 as its default"
            )
        return xp.ones_like(y.data)
    gy = gy.data if isinstance(gy, type(y)) else gy
    if is_array(gy):
        expect_same_backend("backward()", tensor=y.data, gy=gy)
        gy = plain(gy)
    else:
        gy = xp.asarray(real_numbers(gy))
    gy = converted(gy, y.dtype)
    if gy.shape != y.shape:
        raise ShapeError(f"backward() got gy of shape {gy.shape} for a tensor of shape {y.shape}")
    return gy
