"""Record one training step, operation by operation, small enough for a page."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .. import functional as F
from ..arguments import function, integer
from ..autograd import Op, Step, Tensor, expect_some, matching, norm
from ..autograd.hooks import forward_hook
from ..backend import Array, to_numpy
from ..ops.loss import log_softmax
from .graph import Graph, is_addition
from .inside import gradients_of, parts_of

BINS = 32
CUT = {"branch": 1, "shortcut": 0}  # what alone is left, and which input of y = F(x) + x is cut


@dataclass(frozen=True)
class Summary:
    """An array in a few numbers and some of its feature maps.

    Attributes:
        norm: Euclidean; mean, std, low, high: of all elements.
        histogram: how many elements are in each of `BINS` equal steps from low to high.
        maps: some channels of one image, float32 (channels, height, width); a row of numbers is
            one map of height 1; None for an array that has neither.
    """

    norm: float
    mean: float
    std: float
    low: float
    high: float
    histogram: list[int]
    maps: Array | None

    @classmethod
    def of(cls, array: Any, channels: int | None, image: int) -> "Summary":
        """Return the summary of an array (N, C, H, W), (N, C) or of another shape.

        Args:
            array: what to summarise.
            channels: how many feature maps to keep; None for all.
            image: of which image.
        """
        given = to_numpy(array)
        values = np.asarray(given, np.float64)
        low, high = float(values.min()), float(values.max())
        counts = _histogram(given, low, high)
        maps = None
        if values.ndim in (2, 4):
            maps = values[image, :channels] if values.ndim == 4 else values[image][None, None]
            maps = maps.astype(np.float32)
        mean, std = float(values.mean()), float(values.std())
        return cls(norm(values), mean, std, low, high, counts.tolist(), maps)


def _histogram(values: Array, low: float, high: float) -> Array:
    """Return the counts of `np.histogram(values, BINS, (low, high))`, in a third of its time.

    NumPy sorts with SIMD, above all float32, and only the ends of the bins are then looked for.
    There are none of a range that is not finite; one too small for so many bins is no error.
    """
    if not math.isfinite(high - low):
        return np.zeros(BINS, int)
    half = 0.5 * (low == high)
    edges = np.linspace(low - half, high + half, BINS + 1)
    below = np.sort(values.ravel("K")).searchsorted(edges)
    below[-1] = values.size  # the last bin has its upper end
    return np.diff(below)


@dataclass(frozen=True)
class InputGradient:
    """The gradient of one input of an operation.

    Attributes:
        name: of the input.
        to: the number of the record that made the input; None for a leaf, or outside the trace.
        label: the same in words, see `Target`.
        norm: Euclidean.
        added: whether it was added to a gradient that was there already.
    """

    name: str
    to: int | None
    label: str
    norm: float
    added: bool


@dataclass
class Record:
    """An operation of the training step, forward and backward.

    Attributes:
        op: the operation.
        inputs: for each input, the number of the record that made it, or None.
        input_shapes: for each input, its shape; None for one left out.
        shape, output: of the output.
        parts: what is inside, such as kernels and their gradient, see `inside`.
        gradient: of the output; None if there is none.
        input_gradients: those of the inputs that have one.
        alone: the norm of the gradient of the output where every residual addition hands its
            gradient to the "branch" alone, or to the "shortcut" alone.
        seconds: the time its backward took.
    """

    op: Op
    inputs: tuple[int | None, ...]
    input_shapes: tuple[tuple[int, ...] | None, ...]
    shape: tuple[int, ...]
    output: Summary
    parts: dict[str, Array] = field(default_factory=dict)
    gradient: Summary | None = None
    input_gradients: tuple[InputGradient, ...] = ()
    alone: dict[str, float] = field(default_factory=lambda: dict.fromkeys(CUT, 0.0))
    seconds: float = 0.0


@dataclass(frozen=True)
class Trace:
    """A training step.

    Attributes:
        loss: its value.
        records: the operations, in the order they ran forward.
        label: of the image whose feature maps are kept.
        probabilities: of its classes, the softmax of its logits: (C,).
        image: that image; None where the records do not begin with it.
    """

    loss: float
    records: list[Record]
    label: int
    probabilities: Array
    image: Summary | None

    def within(self, path: str) -> "Trace":
        """Return the records of the module `path` alone; see `Tensor.backward_steps`.

        Raises:
            UsageError: there are none; names the modules that there are.
        """
        inside = matching(None, path)
        kept = [i for i, r in enumerate(self.records) if inside(r.op)]
        expect_some(bool(kept), f"path={path!r}", (r.op for r in self.records))
        new: dict[int | None, int] = {i: k for k, i in enumerate(kept)}
        records = [
            replace(
                self.records[i],
                inputs=tuple(map(new.get, self.records[i].inputs)),
                input_gradients=tuple(
                    replace(g, to=new.get(g.to)) for g in self.records[i].input_gradients
                ),
            )
            for i in kept
        ]
        return replace(self, records=records, image=None if kept[0] else self.image)


def _norms_without(cut: int, loss: Tensor, additions: set[Op]) -> Iterator[tuple[Op, float]]:
    """Walk back with one input of all `additions` cut off, and yield the norms of gy.

    The graph is kept, and no leaf gets a gradient.
    """
    for step in loss.backward_steps(retain_graph=True):
        yield step.op, step.norm
        made = [isinstance(source, Op) for source in step.sources]
        if step.op in additions:
            made[cut] = False
        step.gxs[:] = [gx if goes_on else None for gx, goes_on in zip(step.gxs, made, strict=True)]


def _input_gradients(step: Step, number: Mapping[Any, int]) -> tuple[InputGradient, ...]:
    """Return the gradients that a step hands on; `number` is that of each operation's record."""
    return tuple(
        InputGradient(to.name, number.get(to.source), to.label, size, to.added)
        for to, size in zip(step.targets, step.norms, strict=True)
        if to.source is not None and size is not None
    )


def record(model: Any, x: Any, labels: Any, channels: int = 8, image: int = 0) -> Trace:
    """Run a forward and a backward pass of the cross-entropy of `model(x)`, and record both.

    Gradients are left in the parameters, as by `backward`.

    Args:
        model: from images (N, C, H, W) to logits.
        x: the images; labels: (N,).
        channels: how many feature maps of an array to keep.
        image: of which image of the batch.

    Raises:
        UsageError: `model` is no function, `channels` is below 1, or there is no such image.
    """
    x, labels = (a if isinstance(a, Tensor) else Tensor(a) for a in (x, labels))
    channels = integer(channels, "channels", at_least=1)
    image = integer(image, "image", at_least=0, at_most=(len(x) if x.ndim else 0) - 1)
    seen: dict[Op, tuple[Any, ...]] = {}  # the fields of its record from `input_shapes` to `parts`

    def see(op: Op, inputs: tuple[Array | None, ...], output: Array) -> None:
        shapes = tuple(None if x is None else x.shape for x in inputs)
        parts = parts_of(op, inputs, output, channels, image)
        seen[op] = shapes, output.shape, Summary.of(output, channels, image), parts

    with forward_hook(see):
        logits = function(model, "model")(x)
        loss = F.cross_entropy(logits, labels)
    nodes = Graph(loss).nodes
    number: dict[Any, int] = {node.op: i for i, node in enumerate(nodes)}  # a leaf has none
    records = [Record(n.op, tuple(map(number.get, n.op.sources)), *seen[n.op]) for n in nodes]
    additions = {r.op for r in records if is_addition(r.op, r.inputs)}
    for left, cut in CUT.items():
        for op, size in _norms_without(cut, loss, additions):
            records[number[op]].alone[left] = size
    for step in loss.backward_steps():
        own = records[number[step.op]]
        own.gradient = Summary.of(step.gy, channels, image)
        own.parts |= gradients_of(step.op, step.gxs, channels)
        own.input_gradients = _input_gradients(step, number)
        own.seconds = step.seconds
    return Trace(
        loss.item(),
        records,
        int(labels.data[image]),
        np.exp(log_softmax(to_numpy(logits.data[image]), dim=0)),
        Summary.of(x.data, None, image),
    )
