"""A module as text: the tree of what it holds, with the shapes and the number of parameters."""

from collections.abc import Iterator
from typing import Any

from ..autograd import Tensor
from .found import own_tensors


def tree(module: Any) -> str:
    """Return a line for the module, and one for each below it."""
    rows = list(_rows(module, "", 0))
    counts = [f"{count:,}" if count else "" for *_, count in rows]
    columns = *zip(*((name, kind, held) for name, kind, held, _ in rows), strict=True), counts
    names, kinds, tensors, width = (max(map(len, column)) for column in columns)
    lines = [
        f"{name:<{names}}  {kind:<{kinds}}  {held:<{tensors}}  {count:>{width}}".rstrip()
        for (name, kind, held, _), count in zip(rows, counts, strict=True)
    ]
    lines[0] = f"{type(module).__name__}, {rows[0][3]:,} parameters"
    return "\n".join(lines)


def _rows(module: Any, name: str, depth: int) -> Iterator[tuple[str, str, str, int]]:
    """Yield name, class, shapes and number of parameters of a module, and of those below it."""
    shapes = ", ".join(f"{n} {_shape(t)}" for n, t in own_tensors(module).items())
    yield "  " * depth + name, type(module).__name__, shapes, _count(module)
    for child_name, child in module.named_children():
        yield from _rows(child, child_name, depth + 1)


def _count(module: Any) -> int:
    return sum(p.numel() for p in module.parameters())


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "1"
