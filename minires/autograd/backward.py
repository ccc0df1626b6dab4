"""The backward pass: the order of the operations, and the walk through them.

The walk visits the operations in the reverse of the order in which they ran; each turns the
gradient of its output into the gradients of its inputs, which go on to what made them.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

from .. import kernels
from ..backend import Array
from ..errors import GraphError
from ..kernels import REFERENCE
from ..modes import modes
from ..ops import Op
from ..ops.arithmetic import add_gradients
from .selection import expect_some
from .step import Step, check_gradients


def reverse_order(last: Op) -> list[Op]:
    """Return every operation that led to `last`, the latest first.

    Raises:
        GraphError: a backward pass has released one of them.
    """
    found, waiting = {last}, [last]
    while waiting:
        op = waiting.pop()
        if op.released:
            raise GraphError(
                f"backward() has already been through {op.name} ({op.where}) and released what "
                "it had saved; give the first backward retain_graph=True, or run forward again"
            )
        for source in op.sources:
            if isinstance(source, Op) and source not in found:
                found.add(source)
                waiting.append(source)
    return sorted(found, key=lambda op: op.moment, reverse=True)


def walk(
    last: Op,
    gy: Array,
    retain_graph: bool = False,
    asked: Callable[[Op], bool] | None = None,
    wanted: str = "",
) -> Iterator[Step]:
    """Walk back from the operation `last`, and give out the steps `asked` for.

    Args:
        last: the operation whose output has the gradient `gy`.
        gy: an array of the output's shape and dtype.
        retain_graph: keep what operations saved.
        asked: tells which operations' steps to give out; None gives out none.
        wanted: `asked` in words, for the error where no operation is asked for.

    Raises:
        GraphError: a backward pass has released an operation.
        UsageError: `wanted`, and no operation is asked for.
        ShapeError, DTypeError, DeviceError: a gradient is not one of its input.
    """
    order = reverse_order(last)
    if asked is not None and wanted and not any(op.recomputes for op in order):
        expect_some(any(map(asked, order)), wanted, order)
    grads: dict[Op, Any] = {last: gy}
    for op in order:
        if op not in grads:  # every operation that used its output had no gradient for it
            continue
        incoming = grads.pop(op)
        output = op.output()
        if output is not None and output.retains_grad:
            output.accumulate(*REFERENCE.take([incoming]))
        watched = asked is not None or bool(modes.backward_hooks)
        started = time.perf_counter() if watched else 0.0
        (gy,) = op.kernel.take([incoming])
        gxs = (yield from op.walk(gy, asked)) if op.recomputes else op.kernel.backward(op, gy)
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
        _pass_on(sources, outgoing, grads)


def _pass_on(sources: tuple[Any, ...], gxs: list[Any], grads: dict[Op, Any]) -> None:
    """Add gradients to those of the operations and leaves that the inputs came from."""
    for source, gx in zip(sources, gxs, strict=True):
        if source is None or gx is None:
            continue
        if not isinstance(source, Op):
            source.accumulate(*REFERENCE.take([gx]))
        elif source in grads:
            there = grads[source]
            grads[source] = kernels.call(add_gradients, there, there, gx)
        else:
            grads[source] = gx
