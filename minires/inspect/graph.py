"""The graph that led to a tensor, as text here, and as a drawing in `minires.viz`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ..autograd import Op, Tensor
from ..autograd.backward import reverse_order
from ..backend import is_array
from ..errors import GraphError, UsageError
from ..kernels import LazyArray
from .tree import branches


@dataclass(frozen=True)
class Node:
    """An operation in a graph.

    Attributes:
        op: the operation.
        inputs: for each input that wants a gradient, the number of the node that made it; None
            for a leaf.
        shape: of its output.
        saved: bytes that its backward keeps alive and no operation before it does, parameters
            not counted.
    """

    op: Op
    inputs: tuple[int | None, ...]
    shape: tuple[int, ...]
    saved: int


@dataclass(frozen=True)
class Block:
    """Operations that are shown as one: those of a module, or a single one.

    Attributes:
        label: the module's path, or the operation's name.
        path: the module's path.
        nodes: their numbers in the graph.
        inputs: the blocks that their inputs come from, each once, the latest first.
        shape: of the output.
        saved: bytes that backward keeps alive.
    """

    label: str
    path: str
    nodes: tuple[int, ...]
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    saved: int


class Graph:
    """The operations that led to a tensor, in the order they ran.

    `print(Graph(loss))` shows it as a tree, the last operation first, in which a residual addition
    forks and its branches meet again; `graph.text(fold=2)` with each block as one line.

    Attributes:
        nodes: the operations.

    Raises:
        GraphError: no operation led to the tensor, or backward has released its graph.
    """

    def __init__(self, tensor: Tensor) -> None:
        if tensor.op is None:
            raise GraphError(
                "this tensor is a leaf: no operation that is recorded led to it; "
                "compute it from tensors that require a gradient, outside no_grad()"
            )
        ops = reverse_order(tensor.op)[::-1]
        number = {op: i for i, op in enumerate(ops)}
        shapes = {tensor.op: tensor.shape}
        for op in ops:
            for source, shape in zip(op.sources, op.input_shapes, strict=True):
                if isinstance(source, Op):
                    shapes[source] = shape
        saved = _saved_bytes(ops)
        self.nodes = [
            Node(
                op,
                tuple(
                    number[s] if isinstance(s, Op) else None for s in op.sources if s is not None
                ),
                shapes[op],
                saved[op],
            )
            for op in ops
        ]

    def blocks(self, fold: int | None = None) -> list[Block]:
        """Return the graph with the operations of a module as one block each.

        Args:
            fold: how many parts of a module's path count: with 1 "layer1" is a block, with 2
                "layer1.0" is; None folds nothing.
        """
        if fold is not None and fold < 1:
            raise UsageError(
                f"fold is how many parts of a module's path make a block, at least 1; got {fold}"
            )
        numbered = enumerate(self.nodes)
        groups = [[i for i, _ in group] for _, group in groupby(numbered, self._key(fold))]
        block_of = {i: number for number, group in enumerate(groups) for i in group}
        return [self._block(number, group, fold, block_of) for number, group in enumerate(groups)]

    def text(self, fold: int | None = None) -> str:
        """Return the tree, the last operation first, with shapes and bytes kept for backward."""
        blocks = self.blocks(fold)
        drawn = branches([block.inputs for block in blocks])
        labels = [block.label for block in blocks]
        wide, wider = max(map(len, drawn)), max(map(len, labels))
        lines = []
        for row, block in zip(drawn, reversed(blocks), strict=True):
            shape = "x".join(map(str, block.shape)) or "one number"
            path = block.path if block.path != block.label else _counted(len(block.nodes))
            cells = f"{block.label:<{wider}}  {shape:<16} {_size(block.saved):>9}  {path}"
            lines.append(f"{row:<{wide}}  {cells}")
        return "\n".join(line.rstrip() for line in lines)

    def __str__(self) -> str:
        return self.text()

    def _key(self, fold: int | None) -> Any:
        """Return a key that consecutive nodes of a block share."""

        def key(numbered: tuple[int, Node]) -> object:
            i, node = numbered
            parts = node.op.path.split(".") if node.op.path else []
            return i if fold is None or len(parts) < fold else tuple(parts[:fold])

        return key

    def _block(
        self, number: int, group: list[int], fold: int | None, block_of: dict[int, int]
    ) -> Block:
        nodes = [self.nodes[i] for i in group]
        from_where = {block_of[i] for node in nodes for i in node.inputs if i is not None}
        last = nodes[-1]
        path = last.op.path
        label = last.op.name
        if len(group) > 1:
            label = path = ".".join(path.split(".")[:fold])
        return Block(
            label,
            path,
            tuple(group),
            tuple(sorted(from_where - {number}, reverse=True)),
            last.shape,
            sum(node.saved for node in nodes),
        )


def _saved_bytes(ops: Iterable[Op]) -> dict[Op, int]:
    """Return the bytes each operation saved; memory shared by several counts for the first."""
    seen = {_memory(s.data)[0] for op in ops for s in op.sources if isinstance(s, Tensor)}
    sizes = {}
    for op in ops:
        memories = dict(map(_memory, _arrays(op.saved)))
        sizes[op] = sum(size for key, size in memories.items() if key not in seen)
        seen |= memories.keys()
    return sizes


def _arrays(saved: Any) -> Iterator[Any]:
    """The arrays in what an operation saved."""
    if isinstance(saved, LazyArray):
        if saved.is_realized:
            yield saved.realize()
    elif is_array(saved):
        yield saved
    elif isinstance(saved, tuple | list):
        for part in saved:
            yield from _arrays(part)


def _memory(array: Any) -> tuple[int, int]:
    """Return which memory an array lies on, and its size in bytes."""
    while is_array(array.base):
        array = array.base
    return id(array if array.base is None else array.base), array.nbytes


def _counted(operations: int) -> str:
    return f"{operations} operations" if operations > 1 else ""


def _size(number: float) -> str:
    """Return a number of bytes in words."""
    for unit in ("B", "kB", "MB"):
        if number < 999.5:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} GB"
