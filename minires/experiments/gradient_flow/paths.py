"""How much gradient comes along short paths (Veit et al., 1605.06431, section 4.2).

At each residual join the gradient takes two arms: through the branch, and past it. A path takes
one of them at each of n joins, so that there are 2ⁿ paths, of which n choose k go through k
branches; most are about n / 2 long. But in a deep net a branch makes a gradient smaller, and most
of what arrives has gone through fewer.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import functional as F
from ...autograd import Tensor, norm
from ...backend import Array
from ...errors import UsageError, expect
from ...models import BasicBlock
from ...nn import Module

_JOIN = "Add"
_BRANCH, _PAST = 0, 1  # the inputs of a join, y = F(x) + x


@dataclass(frozen=True)
class PathGradient:
    """The gradient of the loss in the images along random paths of one length.

    Attributes:
        net: its name.
        blocks: how many it has.
        length: through how many of their branches the paths go.
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
        """A row a path."""
        for draw, size in enumerate(self.norms):
            yield {
                "net": self.net,
                "blocks": self.blocks,
                "length": self.length,
                "paths": self.paths,
                "draw": draw,
                "norm": f"{size:.6g}",
            }


@dataclass(frozen=True)
class Paths:
    """Random paths of every length through residual nets: `list(Paths(models, x, labels))`.

    Attributes:
        models: the nets by name, in which nothing but residual joins is an addition.
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
            expect(blocks_of(model) > 0, UsageError, f"{net} has no shortcuts to tell paths by")

    def __len__(self) -> int:
        return sum(blocks_of(model) + 1 for model in self.models.values())

    def __iter__(self) -> Iterator[PathGradient]:
        rng = np.random.default_rng(self.seed)
        for net, model in self.models.items():
            loss, x = self._loss(model)
            blocks = blocks_of(model)
            for length in range(blocks + 1):
                drawn = (rng.permutation(blocks)[:length] for _ in range(self.draws))
                norms = [norm(path_gradient(loss, x, set(branches.tolist()))) for branches in drawn]
                yield PathGradient(net, blocks, length, np.array(norms))

    def _loss(self, model: Module) -> tuple[Tensor, Tensor]:
        """The loss, and the images as a leaf that wants its gradient, which no weight does."""
        x = Tensor(self.x, requires_grad=True)
        with _constant(model):
            return F.cross_entropy(model(x), self.labels), x


def blocks_of(model: Module) -> int:
    """How many blocks with a shortcut a net has."""
    return sum(
        isinstance(module, BasicBlock) and module.shortcut is not None
        for _, module in model.named_modules()
    )


def path_gradient(loss: Tensor, x: Tensor, branches: Collection[int]) -> Array:
    """The gradient of `loss` in `x` along one path.

    Args:
        loss: a residual net's; its graph is kept.
        x: the images, a leaf.
        branches: the joins where the path goes through the branch, as backward comes to them:
            0 is the last one of the net.
    """
    x.zero_grad()
    steps = loss.backward_steps(retain_graph=True, ops=_JOIN)
    for number, step in enumerate(steps):
        # Without a gradient the arm is not walked at all, which scale(0, ...) would do for nothing.
        step.gxs[_PAST if number in branches else _BRANCH] = None
    assert x.grad is not None
    return x.grad


@contextmanager
def _constant(model: Module) -> Iterator[None]:
    """Inside, no parameter wants a gradient."""
    parameters = list(model.parameters())
    for p in parameters:
        p.requires_grad = False
    try:
        yield
    finally:
        for p in parameters:
            p.requires_grad = True
