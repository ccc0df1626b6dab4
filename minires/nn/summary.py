"""A table of what each layer of a model does to a batch."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np

from ..arguments import is_integer
from ..autograd import Op, Tensor
from ..autograd.hooks import forward_hook
from ..backend import backend_name
from ..modes import no_grad
from .found import own_tensors

Cells: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class LayerRow:
    """Consecutive operations of one module.

    Attributes:
        path: the module's path; "" for the model itself.
        operations: their names.
        shape: that of the last output.
        parameters: how many the module itself has, in its first row.
        macs: the multiply-adds of convolutions and matrices, for one image.
    """

    path: str
    operations: tuple[str, ...]
    shape: tuple[int, ...]
    parameters: int
    macs: int

    @property
    def cells(self) -> Cells:
        """The row as text."""
        numbers = (f"{n:,}" if n else "" for n in (self.parameters, self.macs))
        return self.path, ", ".join(self.operations), str(self.shape), *numbers


@dataclass(frozen=True)
class Summary:
    """What a model does to a batch, layer by layer; its text is a table.

    Attributes:
        name: the model's class.
        input: the shape of the batch.
        rows: the layers, in the order in which they ran.
        parameters: of the whole model.
    """

    name: str
    input: tuple[int, ...]
    rows: tuple[LayerRow, ...]
    parameters: int

    @property
    def macs(self) -> int:
        """The multiply-adds of all layers, for one image."""
        return sum(row.macs for row in self.rows)

    def __str__(self) -> str:
        head = ("module", "operations", "output", "parameters", "multiply-adds")
        cells: list[Cells] = [head, ("", "input", str(self.input), "", "")]
        cells += [row.cells for row in self.rows]
        cells.append((self.name, "in all", "", f"{self.parameters:,}", f"{self.macs:,}"))
        widths = [max(len(line[i]) for line in cells) for i in range(len(head))]
        return "\n".join(_aligned(line, widths) for line in cells)

    __repr__ = __str__


def summarise(model: Any, input: Any) -> Summary:
    """Return what `Module.summary` does."""
    x = _batch(model, input)
    seen: list[tuple[str, str, tuple[int, ...], int]] = []

    def see(op: Op, inputs: tuple[Any, ...], output: Any) -> None:
        taps = math.prod(inputs[1].shape[1:]) if op.name in ("Conv2d", "Linear") else 0
        seen.append((op.path, op.name, output.shape, taps * output.size // max(1, x.shape[0])))

    modules = dict(model.named_modules())
    training = {path: module.training for path, module in modules.items()}
    try:
        with no_grad(), forward_hook(see):
            model.eval()(x)
    finally:
        for path, module in modules.items():
            module.training = training[path]
    return Summary(
        type(model).__name__,
        x.shape,
        tuple(_rows(seen, modules)),
        sum(p.numel() for p in model.parameters()),
    )


def _rows(seen: list[Any], modules: dict[str, Any]) -> Iterator[LayerRow]:
    counted: set[str] = set()
    for path, group in groupby(seen, key=lambda one: one[0]):
        ops = list(group)
        own = own_tensors(modules[path]).values() if path in modules and path not in counted else ()
        counted.add(path)
        yield LayerRow(
            path,
            tuple(name for _, name, _, _ in ops),
            ops[-1][2],
            sum(t.numel() for t in own if t.requires_grad),
            sum(macs for *_, macs in ops),
        )


def _batch(model: Any, input: Any) -> Tensor:
    """Return a batch, or zeros of the shape given, on the backend and in the dtype of the model."""
    sizes = isinstance(input, tuple | list) and all(map(is_integer, input))
    x = Tensor(np.zeros(tuple(input), np.float32)) if sizes else Tensor(input)
    like = next(model.parameters(), x)
    return x.detach().to(like.dtype, backend=backend_name(like.held))


def _aligned(line: Cells, widths: list[int]) -> str:
    left = [text.ljust(width) for text, width in zip(line[:3], widths[:3], strict=True)]
    right = [text.rjust(width) for text, width in zip(line[3:], widths[3:], strict=True)]
    return "  ".join([*left, *right]).rstrip()
