"""How much memory a training step will need, before it is taken.

Nearly all of it is what operations save for backward, which is in proportion to the batch. So the
graph of a batch of two tells it, read from `minires.inspect.Graph` and not from a formula that
could go out of step with the operations. What is left is the weights with their velocities and
gradients, and some maps on their way from one operation to the next.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import psutil

from .. import functional as F
from ..errors import UsageError
from ..models import NetSpec
from . import Graph
from .graph import Node

_SAMPLE = 2  # images; the fewest that batch norm takes
# Found by measurement: how many of the largest maps are alive beside what is saved, how many more
# while a checkpointed segment is computed again, and what the BLAS and the threads take for
# themselves. Maps of more than 32 MB count a little too much: the C library returns those at once.
_MOVING = 4.5
_MOVING_AGAIN = 1.5
_FIXED = 8 << 20


@dataclass(frozen=True)
class Memory:
    """What a training step needs, in bytes, without the interpreter and its libraries.

    Attributes:
        weights: parameters, their velocities and their gradients.
        kept: what operations, or checkpoints, keep from forward to backward.
        segment: with checkpointing, what the largest segment keeps while backward is in it.
        moving: maps on their way from one operation to the next, buffers of BLAS and threads.
    """

    weights: int
    kept: int
    segment: int
    moving: int

    @property
    def total(self) -> int:
        """All of it, at the peak."""
        return self.weights + self.kept + self.segment + self.moving


def predicted(
    net: NetSpec, image: tuple[int, int, int], batch: int, checkpoint_every: int | None = None
) -> Memory:
    """The memory of a training step of the net `net` on `batch` images (C, H, W).

    Raises:
        UsageError: a batch or `checkpoint_every` under 1.
    """
    return Profile.of(net, image).memory(batch, checkpoint_every)


@dataclass(frozen=True)
class Profile:
    """What one image costs in a net, block by block.

    Attributes:
        parameters: how many numbers are trained.
        outside: bytes that is saved outside of the stages.
        stages: for each stage, for each block, the bytes of its input and those it saves.
        largest: bytes of the largest output of an operation.
    """

    parameters: int
    outside: float
    stages: tuple[tuple[tuple[float, float], ...], ...]
    largest: float

    @classmethod
    def of(cls, net: NetSpec, image: tuple[int, int, int]) -> "Profile":
        """The profile of a net, from the graph of a small batch."""
        model = net.build(in_channels=image[0])
        images = np.zeros((_SAMPLE, *image), np.float32)
        images += np.arange(_SAMPLE, dtype=np.float32).reshape(-1, 1, 1, 1)
        nodes = Graph(F.cross_entropy(model(images), np.zeros(_SAMPLE, np.int64))).nodes
        blocks: dict[str, list[Node]] = {}
        for node in nodes:
            blocks.setdefault(".".join(node.op.path.split(".")[:2]), []).append(node)
        stages: dict[str, list[tuple[float, float]]] = {}
        outside = 0.0
        for path, inside in blocks.items():
            saved = sum(node.saved for node in inside) / _SAMPLE
            if path.startswith("layer"):
                taken = math.prod(inside[0].op.input_shapes[0]) * 4 / _SAMPLE
                stages.setdefault(path.split(".")[0], []).append((taken, saved))
            else:
                outside += saved
        return cls(
            sum(p.size for p in model.parameters()),
            outside,
            tuple(map(tuple, stages.values())),
            max(math.prod(node.shape) for node in nodes) * 4 / _SAMPLE,
        )

    def memory(self, batch: int, checkpoint_every: int | None) -> Memory:
        """The memory of a step on so many images."""
        for name, value in (("batch", batch), ("checkpoint_every", checkpoint_every)):
            if value is not None and value < 1:
                raise UsageError(f"{name} must be at least 1, got {value}")
        kept, segment, moving = self.outside, 0.0, _MOVING
        if checkpoint_every is not None:
            moving += _MOVING_AGAIN
        for blocks in self.stages:
            if checkpoint_every is None:
                kept += sum(saved for _, saved in blocks)
            else:
                segments = _segments(blocks, checkpoint_every)
                kept += sum(inside[0][0] for inside in segments)
                segment = max(segment, *(sum(s for _, s in inside) for inside in segments))
        return Memory(
            weights=3 * 4 * self.parameters,
            kept=round(batch * kept),
            segment=round(batch * segment),
            moving=round(batch * moving * self.largest) + _FIXED,
        )

    def best_checkpoint(self, batch: int) -> int:
        """The `checkpoint_every` that needs the least memory."""
        most = max(map(len, self.stages))
        return min(range(1, most + 1), key=lambda every: self.memory(batch, every).total)

    def largest_batch(self, available: int, checkpoint_every: int | None) -> int:
        """The most images that fit into so many bytes; 0 if not even one does."""
        one, two = (self.memory(batch, checkpoint_every).total for batch in (1, 2))
        return max(0, 1 + (available - one) // (two - one))


def _segments(
    blocks: Sequence[tuple[float, float]], every: int
) -> list[Sequence[tuple[float, float]]]:
    return [blocks[start : start + every] for start in range(0, len(blocks), every)]


def available() -> int:
    """The bytes that a process could still get from this machine."""
    return int(psutil.virtual_memory().available)


def expect_room(
    net: NetSpec, image: tuple[int, int, int], batch: int, checkpoint_every: int | None
) -> None:
    """Refuse a training that would not fit into this machine's memory.

    Raises:
        UsageError: says what it would need, what there is, and what would fit.
    """
    profile, there = Profile.of(net, image), available()
    needed = profile.memory(batch, checkpoint_every).total
    if needed <= there:
        return
    every = profile.best_checkpoint(batch)
    saving = profile.memory(batch, every).total
    advice = [f"--checkpoint-every {every} needs {gigabytes(saving)}"] if saving <= there else []
    smaller = profile.largest_batch(there, checkpoint_every)
    advice += [f"a batch of {smaller} fits"] if smaller >= _SAMPLE else []
    raise UsageError(
        f"{net} at batch {batch} would need about {gigabytes(needed)}, and {gigabytes(there)} are "
        f"free; {' and '.join(advice) or 'choose a smaller net'}"
    )


def gigabytes(size: int) -> str:
    """A number of bytes for a reader."""
    return f"{size / 1e9:.2g} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
