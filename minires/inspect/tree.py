"""Branches beside a list of things that come from one another, as `git log --graph` has them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Row(NamedTuple):
    """What happens at one thing.

    Attributes:
        at: the column that it is in.
        meeting: the columns right of it that end here, because they were on their way to it.
        forking: the columns right of it that begin here, on their way to other inputs of it.
        passing: the columns that pass by.
        goes_on: whether its own column goes on, to its first input.
    """

    at: int
    meeting: list[int]
    forking: list[int]
    passing: list[int]
    goes_on: bool


def rows(inputs: Sequence[Sequence[int]]) -> Iterator[Row]:
    """The branches at each thing, the last one first.

    Args:
        inputs: for each thing, the numbers of those before it that it comes from; each thing
            but the last is an input of a later one.
    """
    columns: list[int | None] = [len(inputs) - 1]  # the things they are on their way to
    for i in reversed(range(len(inputs))):
        at, *meeting = (k for k, goal in enumerate(columns) if goal == i)
        for k in (at, *meeting):
            columns[k] = None
        passing = [k for k, goal in enumerate(columns) if goal is not None]
        goes_on = len(inputs[i]) > 0
        columns[at] = inputs[i][0] if goes_on else None
        forking = []
        for goal in inputs[i][1:]:
            free = (k for k in range(at + 1, len(columns)) if columns[k] is None)
            k = next(free, len(columns))
            columns[k : k + 1] = [goal]
            forking.append(k)
        yield Row(at, meeting, forking, passing, goes_on)
        while columns and columns[-1] is None:
            columns.pop()


def branches(inputs: Sequence[Sequence[int]]) -> list[str]:
    """`rows` as text: ● is a thing, ●─╮ where columns fork off, ●─╯ where they meet."""
    return [_drawn(row) for row in rows(inputs)]


def _drawn(row: Row) -> str:
    last = max((*row.meeting, *row.forking), default=row.at)
    text = ""
    for k in range(max(last, *row.passing, row.at) + 1):
        between = row.at < k < last
        if k == row.at:
            mark = "●"
        elif k in row.meeting:
            mark = ("┤" if k in row.forking else "╯") if k == last else "┴"
        elif k in row.forking:
            mark = "╮" if k == last else "┬"
        elif k in row.passing:
            mark = "┼" if between else "│"
        else:
            mark = "─" if between else " "
        text += mark + ("─" if row.at <= k < last else " ")
    return text.rstrip()
