"""The operations of a training step by name, and factors of the gradients that they hand on."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext

import numpy as np

from .. import functional as F
from ..autograd import Op, Step
from ..autograd.hooks import backward_hook, forward_hook
from ..backend import Array
from ..modes import no_grad, set_modes
from ..nn import Module


class OperationNames:
    """Names operations, which are asked for in the order in which backward comes to them.

    The name is the module's path and that of the operation, such as layer1.0.ReLU; a second one of
    this name, which ran forward before the first, is layer1.0.ReLU.2.
    """

    def __init__(self) -> None:
        self._names: dict[Op, str] = {}
        self._count: Counter[str] = Counter()

    def of(self, op: Op) -> str:
        """Return the name of an operation; always the same."""
        if op not in self._names:
            name = f"{op.path}.{op.name}".lstrip(".")
            self._count[name] += 1
            number = self._count[name]
            self._names[op] = name if number == 1 else f"{name}.{number}"
        return self._names[op]


def operation_names(model: Module, x: Array, labels: Array) -> list[str]:
    """Return the names of the operations of a training step, the last first.

    It needs a forward pass, which changes nothing.
    """
    ops: list[Op] = []
    see = forward_hook(lambda op, _inputs, _output: ops.append(op))
    with no_grad(), set_modes(recomputing=True), np.errstate(all="ignore"), see:
        F.cross_entropy(model(x), labels)
    return list(map(OperationNames().of, reversed(ops)))


@contextmanager
def scaled_gradients(factors: Mapping[str, float]) -> Iterator[None]:
    """Multiply, in backward passes inside, the gradients that operations hand on.

    Args:
        factors: by the operation's name, see `OperationNames`.
    """
    names = OperationNames()

    def scale(step: Step) -> None:
        if (factor := factors.get(names.of(step.op))) is not None:
            step.scale(factor)

    with backward_hook(scale) if factors else nullcontext():
        yield
