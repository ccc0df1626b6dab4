"""Teaching figure: the graph of a tensor, drawn by Graphviz if it is installed, or Matplotlib.

Forward runs from top to bottom, the gradient upwards. At a residual addition the gradient forks to
the branch and the shortcut: both edges have one colour, because they carry the same gradient.
"""

import shutil
from collections.abc import Sequence
from typing import Any

from ..errors import UsageError
from ..inspect.graph import Block, Graph
from ..inspect.tree import rows
from ..text import printable
from .style import figure_bytes, new_figure, own_style

_FORK = "#b3410e"
_EDGE = "#5d616b"


def graph_svg(graph: Graph, fold: int | None = None, engine: str | None = None) -> str:
    """Return the graph as an SVG.

    Args:
        graph: what to draw.
        fold: how many parts of a module's path make a block that is drawn as one; see `Graph`.
        engine: "graphviz" or "matplotlib"; by default Graphviz if its `dot` can be found.

    Raises:
        UsageError: there is no such engine, or no `dot` for Graphviz.
    """
    dot = shutil.which("dot")
    engine = engine or ("graphviz" if dot else "matplotlib")
    if engine not in ("graphviz", "matplotlib"):
        raise UsageError(f"a graph is drawn by graphviz or matplotlib, not by {engine!r}")
    if engine == "matplotlib":
        return graph_figure(graph, fold, "svg").decode()
    if dot is None:
        raise UsageError("Graphviz's dot is not on the path; install it, or use matplotlib")
    source = graph_dot(graph.blocks(fold))
    import subprocess  # here, so that importing minires does not pay for it

    return subprocess.check_output([dot, "-Tsvg"], input=source, text=True, stderr=subprocess.PIPE)


def graph_dot(blocks: Sequence[Block]) -> str:
    """Return the blocks in Graphviz's language."""
    lines = [
        "digraph {",
        '  node [shape=box style=rounded fontname="sans-serif" fontsize=10 margin="0.12,0.04"]',
        f'  edge [color="{_EDGE}" arrowsize=0.6]',
    ]
    for number, block in enumerate(blocks):
        bold = " penwidth=2" if _is_addition(block) else ""
        label = "\\n".join(part.replace("\\", r"\\").replace('"', r"\"") for part in _label(block))
        lines.append(f'  {number} [label="{label}"{bold}]')
        fork = f' [color="{_FORK}" penwidth=1.8]' if _is_addition(block) else ""
        lines += [f"  {source} -> {number}{fork}" for source in block.inputs]
    return "\n".join([*lines, "}"]) + "\n"


@own_style
def graph_figure(graph: Graph, fold: int | None = None, form: str = "png", dpi: int = 100) -> bytes:
    """Return an image file of the graph: each block on a line, shortcuts beside the lines.

    Args:
        graph, fold: as for `graph_svg`.
        form: "png", "svg" or "pdf".
        dpi: dots an inch; the figure has 0.34 inches of height a block.
    """
    blocks = graph.blocks(fold)
    layout = list(rows([block.inputs for block in blocks]))
    columns = max(max([r.at, *r.ending, *r.starting, *r.passing]) for r in layout) + 1
    figure = new_figure(5 + 0.4 * columns, 0.34 * len(blocks) + 0.4, dpi)
    axes = figure.subplots()
    for i, (row, block) in enumerate(zip(layout, reversed(blocks), strict=True)):
        y = len(blocks) - 1 - i  # the last one at the bottom
        addition = _is_addition(block)
        for k in row.passing:
            _line(axes, k, y + 0.5, k, y - 0.5)
        for k in (row.at, *row.ending):
            if i or k != row.at:
                _line(axes, row.at, y, k, y + 0.5)
        for k in (*((row.at,) if row.continues else ()), *row.starting):
            _line(axes, row.at, y, k, y - 0.5, _FORK if addition else _EDGE)
        axes.plot(row.at, y, "o", ms=9 if addition else 6, color=_FORK if addition else "#31448c")
        name, *rest = _label(block)
        how: Any = {"va": "center", "parse_math": False}
        axes.text(columns - 0.3, y, name, fontsize=9, weight="bold", **how)
        axes.text(columns + 3.2, y, "   ".join(rest), fontsize=8, color="#5d616b", **how)
    axes.set(xlim=(-0.7, columns + 8), ylim=(-0.8, len(blocks) - 0.2))
    axes.invert_yaxis()
    axes.axis("off")
    return figure_bytes(figure, form)


def _line(axes: Any, x0: float, y0: float, x1: float, y1: float, colour: str = _EDGE) -> None:
    axes.plot([x0, x1], [y0, y1], color=colour, lw=2 if colour == _FORK else 1.2, zorder=0)


def _is_addition(block: Block) -> bool:
    return len(block.nodes) == 1 and block.additions == 1


def _label(block: Block) -> list[str]:
    """Return name, path and shape of a block, and how many shortcuts are inside a folded one."""
    path = [printable(block.path)] if block.path and block.path != block.label else []
    n = block.additions if len(block.nodes) > 1 else 0
    inside = [f"{n} shortcut{'s' * (n > 1)}"] if n else []
    shape = " × ".join(map(str, block.shape)) or "one number"
    return [printable(block.label), *path, shape, *inside]


Graph.drawn = graph_svg  # in a notebook
