"""How much gradient comes along short paths (Veit et al., 1605.06431, section 4.2).

At each residual addition, y = F(x) + x, the gradient goes through the branch F and along the
shortcut. A path takes one of the two at each of n additions, so that there are 2ⁿ paths, of which
n choose k go through k branches; most have about n / 2. But in a deep net a branch makes a gradient
smaller, and most of what arrives has gone through fewer.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ... import functional as F
from ...autograd import Tensor, norm
from ...backend import Array
from ...errors import UsageError
from ...models import BasicBlock
from ...nn import Module
from .measurement import Measurement

CARRIED = 0.9  # of the gradient, by the lengths of `carrying_lengths`
_BRANCH, _SHORTCUT = 0, 1  # the inputs of a residual addition, y = F(x) + x


@dataclass(frozen=True)
class PathGradient:
    """The gradient of the loss in the images along random paths of one length.

    Attributes:
        net: its name.
        blocks: how many residual blocks it has.
        length: the number of branches that the paths go through.
        norms: of the gradient along each path, float64 (draws,).
    """

    net: str
    blocks: int
    length: int
    norms: Array

    @property
    def paths(self) -> int:
        """How many paths of this length there are."""
        return math.comb(self.blocks, self.length)

    @property
    def mean(self) -> float:
        """The mean norm."""
        return float(self.norms.mean())

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row of paths.csv for each path."""
        same = {"net": self.net, "blocks": self.blocks, "length": self.length, "paths": self.paths}
        for draw, size in enumerate(self.norms):
            yield {**same, "draw": draw, "norm": f"{size:.6g}"}


@dataclass(frozen=True)
class Paths(Measurement[PathGradient]):
    """Random paths of every length through residual nets: `list(Paths(models, x, labels))`.

    Attributes:
        models: the nets by name; all their additions must be residual ones.
        x: images (N, C, H, W); labels: (N,).
        draws: how many paths of each length.
        seed: of the paths.

    Raises:
        UsageError: a net without shortcuts.
    """

    models: Mapping[str, Module]
    x: Array
    labels: Array
    draws: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        for net, model in self.models.items():
            if blocks_of(model) == 0:
                raise UsageError(f"{net} has no shortcuts, by which paths differ")

    def __len__(self) -> int:
        return sum(blocks_of(model) + 1 for model in self.models.values())

    def __getitem__(self, index: int) -> PathGradient:
        net, length, drawn = self._drawn[index]
        loss, x = self._loss(self.models[net])
        norms = [norm(path_gradient(loss, x, set(branches.tolist()))) for branches in drawn]
        return PathGradient(net, blocks_of(self.models[net]), length, np.array(norms))

    @cached_property
    def _drawn(self) -> list[tuple[str, int, list[Array]]]:
        """For each result its net, its length, and the branches of its paths, drawn in order."""
        rng = np.random.default_rng(self.seed)
        return [
            (net, length, [rng.permutation(blocks)[:length] for _ in range(self.draws)])
            for net, blocks in ((net, blocks_of(model)) for net, model in self.models.items())
            for length in range(blocks + 1)
        ]

    def _loss(self, model: Module) -> tuple[Tensor, Tensor]:
        """Return the loss, and the images as the one leaf that requires its gradient."""
        x = Tensor(self.x, requires_grad=True)
        with _constant(model):
            return F.cross_entropy(model(x), self.labels), x


@dataclass(frozen=True)
class CarryingLengths:
    """The lengths of paths, `first` to `last` of `blocks`, that carry `CARRIED` of the gradient.

    What a length carries is the number of its paths times the mean norm of the gradient along one.
    `paths` is the share of all paths that have these lengths, `mean` the mean of all lengths,
    weighted by what each carries.
    """

    blocks: int
    first: int
    last: int
    paths: float
    mean: float


def carrying_lengths(gradients: Sequence[PathGradient]) -> CarryingLengths:
    """Return the lengths that carry most, from the gradients of all lengths of a net in order."""
    blocks = gradients[0].blocks
    carried = np.array([g.paths * g.mean for g in gradients])
    below = np.cumsum(carried) / carried.sum()
    first, last = map(int, np.searchsorted(below, ((1 - CARRIED) / 2, (1 + CARRIED) / 2)))
    paths = sum(g.paths for g in gradients[first : last + 1]) / 2**blocks
    mean = float((carried * np.arange(blocks + 1)).sum() / carried.sum())
    return CarryingLengths(blocks, first, last, paths, mean)


def blocks_of(model: Module) -> int:
    """Return the number of blocks with a shortcut."""
    return sum(
        isinstance(module, BasicBlock) and module.shortcut is not None
        for _, module in model.named_modules()
    )


def path_gradient(loss: Tensor, x: Tensor, branches: Collection[int]) -> Array:
    """Return the gradient of `loss` in `x` along one path.

    Args:
        loss: that of a residual net; its graph is kept.
        x: the images, a leaf.
        branches: the residual additions where the path goes through the branch, in the order of
            backward: 0 is the last one of the net.
    """
    x.zero_grad()
    steps = loss.backward_steps(retain_graph=True, ops="Add")
    for number, step in enumerate(steps):
        # An input without a gradient is not walked at all, unlike one with scale(0, ...).
        step.gxs[_SHORTCUT if number in branches else _BRANCH] = None
    assert x.grad is not None
    return x.grad


@contextmanager
def _constant(model: Module) -> Iterator[None]:
    """Let no parameter require a gradient inside."""
    parameters = list(model.parameters())
    for p in parameters:
        p.requires_grad = False
    try:
        yield
    finally:
        for p in parameters:
            p.requires_grad = True
