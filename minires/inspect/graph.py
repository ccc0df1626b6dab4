"""The graph of operations that led to a tensor, as text; `minires.viz.graph` draws it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, ClassVar

from ..arguments import is_integer, shown
from ..autograd import Op, Tensor
from ..autograd.backward import reverse_order
from ..backend import is_array
from ..errors import GraphError, UsageError
from ..kernels import arrays_in_memory
from .tree import branches

_MANY = 30  # operations, more of which are shown block by block


@dataclass(frozen=True)
class Node:
    """An operation in a graph.

    Attributes:
        op: the operation.
        inputs: for each input that needs a gradient, the number of the node that made it; None
            for a leaf.
        shape: of its output.
        saved: bytes kept for its backward that no operation before it keeps, parameters not
            counted.
    """

    op: Op
    inputs: tuple[int | None, ...]
    shape: tuple[int, ...]
    saved: int


@dataclass(frozen=True)
class Block:
    """The operations of a module, shown as one, or a single operation.

    Attributes:
        label: the module's path, or the operation's name.
        path: the module's path.
        nodes: their numbers in the graph.
        inputs: the blocks that their inputs come from, each once, the latest first.
        shape: of the output.
        saved: bytes that backward keeps alive.
        additions: how many residual additions, each with its shortcut, it has.
    """

    label: str
    path: str
    nodes: tuple[int, ...]
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    saved: int
    additions: int


def is_addition(op: Op, inputs: Sequence[int | None]) -> bool:
    """Return whether an operation adds two others' outputs, as a residual addition does."""
    return op.name == "Add" and None not in inputs and len(set(inputs)) == 2


class Graph:
    """The operations that led to a tensor, in the order they ran.

    `print(Graph(loss))` shows it as a tree, the last operation first, in which a residual addition
    forks and its branches meet again; `graph.text(fold=2)` with each block as one line.

    A notebook shows it drawn, a large one with each block as one line.

    Attributes:
        nodes: the operations.
        drawn: draws it as an SVG; `minires.viz.graph` sets it.

    Raises:
        GraphError: no operation led to the tensor, or backward has released its graph.
    """

    drawn: ClassVar[Callable[["Graph", int | None], str] | None] = None

    def __init__(self, tensor: Tensor) -> None:
        if not isinstance(tensor, Tensor):
            raise UsageError(f"Graph needs a tensor, got {shown(tensor)}")
        if tensor.op is None:
            raise GraphError(
                "this tensor is a leaf: no operation that is recorded led to it; "
                "compute it from tensors that require a gradient, outside no_grad()"
            )
        ops = reverse_order(tensor.op)[::-1]
        number: dict[Any, int] = {op: i for i, op in enumerate(ops)}  # a leaf has none
        shapes = {tensor.op: tensor.shape}
        for op in ops:
            shapes.update(zip(op.sources, op.input_shapes, strict=True))
        # Memory that several operations saved counts for the first of them, and leaves' not at all.
        seen = {_memory(s.data)[0] for op in ops for s in op.sources if isinstance(s, Tensor)}
        self.nodes = []
        for op in ops:
            memories = dict(map(_memory, arrays_in_memory(op.saved)))
            saved = sum(size for key, size in memories.items() if key not in seen)
            seen |= memories.keys()
            inputs = tuple(number.get(source) for source in op.sources if source is not None)
            self.nodes.append(Node(op, inputs, shapes[op], saved))

    def blocks(self, fold: int | None = None) -> list[Block]:
        """Return the graph with the operations of a module as one block each.

        Args:
            fold: how many parts of a module's path count: with 1 "layer1" is a block, with 2
                "layer1.0" is; None folds nothing.
        """
        if fold is not None and not (is_integer(fold) and fold >= 1):
            raise UsageError(
                "fold is how many parts of a module's path make a block, at least 1; got "
                f"{shown(fold)}"
            )

        def key(i: int) -> object:
            parts = self.nodes[i].op.path.split(".") if self.nodes[i].op.path else []
            return i if fold is None or len(parts) < fold else parts[:fold]

        groups = [tuple(group) for _, group in groupby(range(len(self.nodes)), key)]
        block_of = {i: number for number, group in enumerate(groups) for i in group}
        blocks = []
        for number, group in enumerate(groups):
            nodes = [self.nodes[i] for i in group]
            label, path = nodes[-1].op.name, nodes[-1].op.path
            if len(group) > 1:
                label = path = ".".join(path.split(".")[:fold])
            sources = {block_of[i] for node in nodes for i in node.inputs if i is not None}
            inputs = tuple(sorted(sources - {number}, reverse=True))
            saved = sum(node.saved for node in nodes)
            additions = sum(is_addition(node.op, node.inputs) for node in nodes)
            blocks.append(Block(label, path, group, inputs, nodes[-1].shape, saved, additions))
        return blocks

    def text(self, fold: int | None = None) -> str:
        """Return the tree, the last operation first, with shapes and bytes kept for backward."""
        blocks = self.blocks(fold)
        drawn = branches([block.inputs for block in blocks])
        labels = [block.label for block in blocks]
        wide, wider = max(map(len, drawn)), max(map(len, labels))
        lines = []
        for row, block in zip(drawn, reversed(blocks), strict=True):
            shape = "x".join(map(str, block.shape)) or "one number"
            path = block.path
            if path == block.label:
                path = f"{len(block.nodes)} operations" if len(block.nodes) > 1 else ""
            size = size_text(block.saved)
            cells = f"{block.label:<{wider}}  {shape:<16} {size:>9}  {path}"
            lines.append(f"{row:<{wide}}  {cells}")
        return "\n".join(line.rstrip() for line in lines)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        saved = size_text(sum(node.saved for node in self.nodes))
        return f"Graph of {len(self.nodes)} operations, which save {saved} for backward"

    def _repr_svg_(self) -> str | None:
        draw = type(self).drawn
        return draw(self, 2 if len(self.nodes) > _MANY else None) if draw else None


def _memory(array: Any) -> tuple[int, int]:
    """Return which memory an array lies on, and its size in bytes."""
    while is_array(array.base):
        array = array.base
    return id(array if array.base is None else array.base), array.nbytes


def size_text(number: float) -> str:
    """Return a number of bytes with three digits and its unit, such as "12.3 MB"."""
    for unit in ("B", "kB", "MB"):
        if number < 999.5:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} GB"
