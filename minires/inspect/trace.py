"""One training step, recorded operation by operation, small enough to be put on a page."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import functional as F
from ..autograd import Op, Step, Tensor, expect_some, matching, norm
from ..autograd.hooks import forward_hook
from ..backend import Array, to_numpy
from .graph import Graph

BINS = 32


@dataclass(frozen=True)
class Summary:
    """What an array holds, in a few numbers and small pictures.

    Attributes:
        norm: Euclidean; mean, std, low, high: of all elements.
        histogram: how many elements are in each of `BINS` equal steps from low to high.
        maps: some channels of one image, float32 (channels, height, width); a row of numbers is
            one map of height 1; None where there are no numbers.
    """

    norm: float
    mean: float
    std: float
    low: float
    high: float
    histogram: list[int]
    maps: Array | None

    @classmethod
    def of(cls, array: Any, channels: int, image: int) -> "Summary":
        """The summary of an array (N, C, H, W), (N, C) or of another shape."""
        values = np.asarray(to_numpy(array), np.float64)
        low, high = float(values.min()), float(values.max())
        finite = math.isfinite(low) and math.isfinite(high)
        counts = np.histogram(values, BINS, (low, high))[0] if finite else np.zeros(BINS, int)
        return cls(
            norm(values),
            float(values.mean()),
            float(values.std()),
            low,
            high,
            counts.tolist(),
            _maps(values, channels, image),
        )


@dataclass(frozen=True)
class InputGradient:
    """A gradient that an operation handed to one of its inputs.

    Attributes:
        name: the input it is the gradient of.
        to: the number of the record it went to; None for a leaf, or outside the trace.
        label: where it went, in words.
        norm: Euclidean.
        added: whether another gradient had arrived there before.
    """

    name: str
    to: int | None
    label: str
    norm: float
    added: bool


@dataclass
class Record:
    """An operation of the step, forward and backward.

    Attributes:
        op: the operation.
        inputs: for each input, the number of the record it came from, or None.
        input_shapes: for each input, its shape; None for one left out.
        shape, output: of what forward made.
        gradient: what came in on the way back; None if nothing did.
        input_gradients: what backward handed on.
        seconds: its backward took.
    """

    op: Op
    inputs: tuple[int | None, ...]
    input_shapes: tuple[tuple[int, ...] | None, ...]
    shape: tuple[int, ...]
    output: Summary
    gradient: Summary | None = None
    input_gradients: tuple[InputGradient, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Trace:
    """A training step.

    Attributes:
        loss: its value.
        records: the operations, in the order they ran forward.
    """

    loss: float
    records: list[Record]

    def within(self, path: str) -> "Trace":
        """Only what happened in the module `path`; see `Tensor.backward_steps`.

        Raises:
            UsageError: nothing did; says what there is.
        """
        inside = matching(None, path)
        kept = [i for i, r in enumerate(self.records) if inside(r.op)]
        expect_some(bool(kept), f"path={path!r}", (r.op for r in self.records))
        new = {i: k for k, i in enumerate(kept)}
        records = [
            replace(
                self.records[i],
                inputs=tuple(None if j is None else new.get(j) for j in self.records[i].inputs),
                input_gradients=tuple(
                    replace(g, to=None if g.to is None else new.get(g.to))
                    for g in self.records[i].input_gradients
                ),
            )
            for i in kept
        ]
        return Trace(self.loss, records)


def record(model: Any, x: Any, labels: Any, channels: int = 8, image: int = 0) -> Trace:
    """Run a forward and a backward pass of the cross-entropy of `model(x)`, and record both.

    Gradients are left in the parameters, as by `backward`.

    Args:
        model: from images (N, C, H, W) to logits.
        x: the images; labels: (N,).
        channels: how many maps of an array to keep.
        image: of which image of the batch.
    """
    outputs: dict[Op, Summary] = {}
    shapes: dict[Op, tuple[tuple[int, ...] | None, ...]] = {}

    def see(op: Op, inputs: tuple[Array | None, ...], output: Array) -> None:
        outputs[op] = Summary.of(output, channels, image)
        shapes[op] = tuple(None if x is None else x.shape for x in inputs)

    with forward_hook(see):
        loss = F.cross_entropy(model(x), labels)
    nodes = Graph(loss).nodes
    number = {node.op: i for i, node in enumerate(nodes)}
    records = [
        Record(
            node.op,
            tuple(number.get(s) if isinstance(s, Op) else None for s in node.op.sources),
            shapes[node.op],
            node.shape,
            outputs[node.op],
        )
        for node in nodes
    ]
    for step in loss.backward_steps():
        own = records[number[step.op]]
        own.gradient = Summary.of(step.gy, channels, image)
        own.input_gradients = _input_gradients(step, number)
        own.seconds = step.seconds
    return Trace(loss.item(), records)


def _input_gradients(step: Step, number: dict[Op, int]) -> tuple[InputGradient, ...]:
    return tuple(
        InputGradient(
            target.name,
            None if isinstance(target.source, Tensor) else number[target.source],
            target.label,
            size,
            target.added,
        )
        for target, size in zip(step.targets, step.norms, strict=True)
        if target.source is not None and size is not None
    )


def _maps(values: Array, channels: int, image: int) -> Array | None:
    if values.ndim == 4:
        return values[image, :channels].astype(np.float32)
    if values.ndim == 2:
        return values[image][None, None].astype(np.float32)
    return None
