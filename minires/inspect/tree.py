"""Draw the branches of a graph as columns beside a list of its nodes, as `git log --graph` does."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Row(NamedTuple):
    """The columns at one node.

    Attributes:
        at: the column of the node.
        ending: the columns right of it that end at it.
        starting: the columns right of it that start at it, one for each further input.
        passing: the columns that pass by.
        continues: whether its own column continues, to its first input.
    """

    at: int
    ending: list[int]
    starting: list[int]
    passing: list[int]
    continues: bool


def rows(inputs: Sequence[Sequence[int]]) -> Iterator[Row]:
    """Yield the columns at each node, from the last node to the first.

    Args:
        inputs: for each node, the numbers of the earlier nodes that it is computed from; each node
            but the last is an input of a later one.
    """
    columns: list[int | None] = [len(inputs) - 1]  # the node that each leads to; None: free
    for i in reversed(range(len(inputs))):
        at, *ending = (k for k, node in enumerate(columns) if node == i)
        for k in (at, *ending):
            columns[k] = None
        passing = [k for k, node in enumerate(columns) if node is not None]
        continues = len(inputs[i]) > 0
        columns[at] = inputs[i][0] if continues else None
        starting = []
        for node in inputs[i][1:]:
            free = (k for k in range(at + 1, len(columns)) if columns[k] is None)
            k = next(free, len(columns))
            columns[k : k + 1] = [node]
            starting.append(k)
        yield Row(at, ending, starting, passing, continues)
        while columns and columns[-1] is None:
            columns.pop()


def branches(inputs: Sequence[Sequence[int]]) -> list[str]:
    """Return `rows` as text: ● is a node, ●─╮ where columns start, ●─╯ where they end."""
    lines = []
    for at, ending, starting, passing, _ in rows(inputs):
        last = max([at, *ending, *starting])
        text = ""
        for k in range(max([last, *passing]) + 1):
            between = at < k < last
            if k == at:
                mark = "●"
            elif k in ending:
                mark = ("┤" if k in starting else "╯") if k == last else "┴"
            elif k in starting:
                mark = "╮" if k == last else "┬"
            elif k in passing:
                mark = "┼" if between else "│"
            else:
                mark = "─" if between else " "
            text += mark + ("─" if at <= k < last else " ")
        lines.append(text.rstrip())
    return lines
