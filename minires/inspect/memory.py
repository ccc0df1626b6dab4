"""Predict how much memory a training step needs.

Nearly all of it is what operations save for backward, which is in proportion to the batch. So it is
read from the graph of a batch of two, see `Graph`, and not from a formula that could come to differ
from the operations. The rest is the parameters with their velocities and gradients, and some arrays
between one operation and the next.
"""

import math
from dataclasses import dataclass

import numpy as np
import psutil

from .. import functional as F
from ..backend import load
from ..errors import UsageError
from ..kernels.cpu import memory as pool
from ..models import NetSpec
from .graph import Graph, size_text

_SAMPLE = 2  # images; the fewest that batch norm takes
# Found by measurement: how many of the largest arrays are alive beside what is saved, how many more
# while a checkpointed segment is computed again, and what the BLAS and the threads take for
# themselves. Arrays above 32 MB count a little too much: the C library returns those at once.
_MOVING = 4.5
_MOVING_AGAIN = 1.5
_FIXED = 8 << 20


@dataclass(frozen=True)
class Memory:
    """What a training step needs, in bytes, without the interpreter and its libraries.

    Attributes:
        weights: parameters, their velocities and their gradients.
        kept: what operations, or checkpoints, keep from forward to backward.
        segment: with checkpointing, what the largest segment keeps during its backward.
        moving: arrays between one operation and the next, buffers of BLAS and threads.
    """

    weights: int
    kept: int
    segment: int
    moving: int

    @property
    def total(self) -> int:
        """Return the sum, at the peak of the step."""
        return self.weights + self.kept + self.segment + self.moving


@dataclass(frozen=True)
class Profile:
    """The memory that one image takes in a model, block by block.

    Attributes:
        parameters: how many there are.
        outside: bytes that are saved outside of the stages.
        stages: for each stage, for each block, the bytes of its input and those it saves.
        largest: bytes of the largest output of an operation.
    """

    parameters: int
    outside: float
    stages: tuple[tuple[tuple[float, float], ...], ...]
    largest: float

    @classmethod
    def of(cls, spec: NetSpec, image: tuple[int, int, int]) -> "Profile":
        """Return the profile of a model for images (C, H, W), from the graph of two."""
        model = spec.build(in_channels=image[0])
        images = np.zeros((_SAMPLE, *image), np.float32)
        images += np.arange(_SAMPLE, dtype=np.float32).reshape(-1, 1, 1, 1)
        graph = Graph(F.cross_entropy(model(images), np.zeros(_SAMPLE, np.int64)))
        stages: dict[str, list[tuple[float, float]]] = {}
        outside = 0.0
        for block in graph.blocks(fold=2):
            saved = block.saved / _SAMPLE
            if block.path.startswith("layer"):
                first = graph.nodes[block.nodes[0]].op
                taken = math.prod(first.input_shapes[0]) * 4 / _SAMPLE
                stages.setdefault(block.path.split(".")[0], []).append((taken, saved))
            else:
                outside += saved
        return cls(
            sum(p.size for p in model.parameters()),
            outside,
            tuple(map(tuple, stages.values())),
            max(math.prod(node.shape) for node in graph.nodes) * 4 / _SAMPLE,
        )

    def memory(self, batch: int, checkpoint_every: int | None) -> Memory:
        """Return the memory of a training step; raise UsageError for a number below 1."""
        for name, value in (("batch", batch), ("checkpoint_every", checkpoint_every)):
            if value is not None and value < 1:
                raise UsageError(f"{name} must be at least 1, got {value}")
        kept, segment, moving = self.outside, 0.0, _MOVING
        if checkpoint_every is not None:
            moving += _MOVING_AGAIN
        for blocks in self.stages:
            inputs, saved = zip(*blocks, strict=True)
            if checkpoint_every is None:
                kept += sum(saved)
            else:
                kept += sum(inputs[::checkpoint_every])
                starts = range(0, len(saved), checkpoint_every)
                segment = max(segment, *(sum(saved[k : k + checkpoint_every]) for k in starts))
        return Memory(
            weights=3 * 4 * self.parameters,
            kept=round(batch * kept),
            segment=round(batch * segment),
            moving=round(batch * moving * self.largest) + _FIXED,
        )

    def best_checkpoint(self, batch: int) -> int:
        """Return the `checkpoint_every` that needs the least memory."""
        most = max(map(len, self.stages))
        return min(range(1, most + 1), key=lambda every: self.memory(batch, every).total)

    def largest_batch(self, available: int, checkpoint_every: int | None) -> int:
        """Return the largest batch that fits into so many bytes, which may be 0."""
        one, two = (self.memory(batch, checkpoint_every).total for batch in (1, 2))
        return max(0, 1 + (available - one) // (two - one))


def available(backend: str = "numpy") -> int:
    """Return how many bytes this process could still use: of this machine, or of its GPU."""
    if backend == "cupy":
        cupy = load(backend)
        free, _ = cupy.cuda.runtime.memGetInfo()
        return int(free + cupy.get_default_memory_pool().free_bytes())
    return int(psutil.virtual_memory().available) + pool.free_bytes()


def check_memory(
    spec: NetSpec,
    image: tuple[int, int, int],
    batch: int,
    checkpoint_every: int | None,
    backend: str = "numpy",
) -> None:
    """Raise UsageError, with what would fit, if a training step does not fit into memory."""
    profile, there = Profile.of(spec, image), available(backend)
    needed = profile.memory(batch, checkpoint_every).total
    if needed <= there:
        return
    every = profile.best_checkpoint(batch)
    saving = profile.memory(batch, every).total
    advice = [f"--checkpoint-every {every} needs {size_text(saving)}"] if saving <= there else []
    where = " on the GPU" if backend == "cupy" else ""
    smaller = profile.largest_batch(there, checkpoint_every)
    advice += [f"a batch of {smaller} fits"] if smaller >= _SAMPLE else []
    raise UsageError(
        f"{spec} at batch {batch} would need about {size_text(needed)}, and {size_text(there)} are "
        f"free{where}; {' and '.join(advice) or 'choose a smaller model'}"
    )
