"""A case of a gradient check, and its inputs, drawn away from kinks.

Differences are only right where a function is smooth: never a 0 for a ReLU, never two values close
together under a maximum.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..autograd import Op, Tensor
from ..backend import Array


@dataclass(frozen=True)
class Case:
    """One use of an operation: `function(*inputs)` runs `op` and is smooth around `inputs`."""

    op: type[Op]
    label: str
    function: Callable[..., Tensor]
    inputs: tuple[Tensor, ...]


class Draw:
    """float64 inputs that require a gradient, unless they are `fixed`."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def normal(self, *shape: int) -> Tensor:
        """Return any values, for functions without kinks."""
        return _leaf(self.rng.normal(size=shape))

    def positive(self, *shape: int) -> Tensor:
        """Return values between 0.5 and 2."""
        return _leaf(self.rng.uniform(0.5, 2, shape))

    def nonzero(self, *shape: int) -> Tensor:
        """Return values of either sign, at least 0.1 from 0."""
        return _leaf(self.rng.uniform(0.1, 2, shape) * self.rng.choice([-1, 1], shape))

    def distinct(self, *shape: int) -> Tensor:
        """Return values of either sign, any two at least 0.1 apart."""
        size = int(np.prod(shape))
        return _leaf((self.rng.permutation(size).reshape(shape) - size / 2) * 0.1)

    def fixed(self, *shape: int) -> Tensor:
        """Return any values, without a gradient."""
        return self.normal(*shape).detach()

    def labels(self, n: int, classes: int) -> Array:
        """Return n class labels."""
        return self.rng.integers(classes, size=n)


def _leaf(data: Array | float) -> Tensor:
    return Tensor(np.asarray(data), requires_grad=True)
