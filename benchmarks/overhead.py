"""What does the engine itself cost an operation, beside PyTorch's?

    python benchmarks/overhead.py

A chain of a hundred operations on three numbers, where computing is next to nothing: forward
and backward, in microseconds an operation. Prints a table and writes
benchmarks/results/overhead.json.
"""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from common import RESULTS, machine, timing, write
from rich.console import Console
from rich.table import Table
from turns import in_turn, nothing, use_threads

from minires import Op, Tensor
from minires.autograd import Gradients
from minires.backend import Array

CHAIN = 100  # operations


class Same(Op):
    """y = x.  gx = gy."""

    def forward(self, x: Array) -> Array:
        return x

    def backward(self, gy: Array) -> Gradients:
        return gy


def chain(link: Callable[[Any], Any], y: Any) -> Any:
    """The operation, many times over."""
    for _ in range(CHAIN):
        y = link(y)
    return y


def measure(rounds: int) -> dict[str, dict[str, Any]]:
    """Seconds an operation, forward and backward, by what is in the chain."""
    ones = np.ones(3, np.float32)
    ours, theirs = Tensor(ones, requires_grad=True), torch.ones(3, requires_grad=True)
    links: dict[str, tuple[Callable[[Any], Any], Any, Any]] = {
        "minires, nothing": (lambda y: Same()(y), ours, ones),
        "minires, x + 1": (lambda y: y + 1, ours, ones),
        "PyTorch, x + 1": (lambda y: y + 1, theirs, torch.ones(3)),
    }
    forward = {
        name: (nothing, lambda _, link=link, x=x: chain(link, x))
        for name, (link, x, _) in links.items()
    }
    backward = {
        name: (lambda link=link, x=x: chain(link, x), lambda y, gy=gy: y.backward(gy))
        for name, (link, x, gy) in links.items()
    }
    ways = {"forward": in_turn(rounds, **forward), "backward": in_turn(rounds, **backward)}
    return {
        name: {way: timing([s / CHAIN for s in ways[way][name]]) for way in ways} for name in links
    }


def table(results: dict[str, dict[str, Any]]) -> Table:
    """The figures for a reader."""
    shown = Table("a chain of", "forward", "backward")
    for name, r in results.items():
        shown.add_row(name, *(f"{1e6 * r[way]['median_s']:.2f} µs" for way in r))
    return shown


def main(
    rounds: Annotated[int, typer.Option(help="Turns that count.")] = 25,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "overhead.json",
) -> None:
    """Time operations that compute next to nothing."""
    use_threads(1)
    results = measure(rounds)
    write(out, {**machine(1), "torch": version("torch")}, overhead=results)
    Console(highlight=False).print(table(results))


if __name__ == "__main__":
    typer.run(main)
