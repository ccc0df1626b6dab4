"""What does each operation cost, beside PyTorch's and beside what the machine could do at best?

    python benchmarks/ops.py

Forward and backward of each operation of resnet-20 and of resnet-18's stem, both engines in one
process, in turn. The machine's best is measured first: arithmetic on a large matrix product,
bytes on a large copy. Prints a table and writes benchmarks/results/ops.json.
"""

import statistics
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from common import RESULTS, machine, ms, ratio, spread, write
from engines import LR, MOMENTUM, WEIGHT_DECAY
from engines import minires as our_engine
from engines import pytorch as their_engine
from engines.nets import net_of
from op_cases import Case, Work, cases
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from turns import Timing, in_turn, nothing, turn, use_threads

from minires import Op, Tensor
from minires.autograd import Gradients
from minires.backend import Array
from minires.optim import SGD

console = Console(highlight=False)


def rates(threads: int, megabytes: int) -> dict[str, float]:
    """The best that was seen of a matrix product, and of a copy four times as large.

    In units of 1e9 a second; a byte that is copied is read and written, and counts twice.
    """
    n = int((megabytes << 18) ** 0.5)
    a, b, c = np.ones((3, n, n), np.float32)
    source, target = np.ones((2, threads, (megabytes << 20) // threads), np.float32)
    with ThreadPoolExecutor(threads) as pool:
        products = [turn(nothing, lambda _: np.matmul(a, b, out=c)) for _ in range(5)]
        copies = [turn(nothing, lambda _: [*pool.map(np.copyto, target, source)]) for _ in range(5)]
    return {
        "gflops": 2 * n**3 / min(products) / 1e9,
        "gbytes": 2 * source.nbytes / min(copies) / 1e9,
    }


class Inside(Op):
    """y = x, whose gradient goes nowhere: a map inside a net, where no leaf copies it."""

    def forward(self, x: Array) -> Array:
        return x

    def backward(self, gy: Array) -> Gradients:
        return (None,)


class Ours:
    """A case in minires."""

    def __init__(self, case: Case, gy: Array) -> None:
        self.case = case
        self.gy = gy

    def inputs(self) -> list[Tensor]:
        """The maps anew, as they are inside a net, and the parameters."""
        for p in self.case.parameters:
            p.zero_grad()
        if self.case.image:
            return [*map(Tensor, self.case.maps), *self.case.parameters]
        leaves = (Tensor(x, requires_grad=True) for x in self.case.maps)
        return [*(Inside()(x) for x in leaves), *self.case.parameters]

    def forward(self, inputs: list[Tensor]) -> Tensor:
        """The result."""
        y = self.case.ours(*inputs)
        y.numpy()  # a promise would cost nothing
        return y

    def output(self) -> Tensor:
        """What a backward begins with."""
        return self.forward(self.inputs())

    def backward(self, y: Tensor) -> None:
        """All gradients."""
        y.backward(self.gy)


class Theirs:
    """A case in PyTorch."""

    def __init__(self, case: Case, gy: Array) -> None:
        self.case = case
        arrays = (*case.maps, *(p.data for p in case.parameters))
        self.inputs = [torch.from_numpy(np.array(a, order="C")) for a in arrays]
        self.wanted = self.inputs[len(case.maps) if case.image else 0 :]
        for x in self.wanted:
            x.requires_grad_()
        self.gy = torch.from_numpy(np.array(gy, order="C"))

    def forward(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        """The result."""
        return self.case.theirs(*inputs)

    def output(self) -> torch.Tensor:
        """What a backward begins with."""
        return self.forward(self.inputs)

    def backward(self, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """All gradients."""
        return torch.autograd.grad(y, self.wanted, self.gy)


def cotangent(case: Case) -> Array:
    """A gradient of the result, laid in memory as the result is."""
    y = case.ours(*map(Tensor, case.maps), *case.parameters).data
    gy = np.empty_like(y)
    gy[...] = np.random.default_rng(1).standard_normal(y.shape, dtype=np.float32)
    return gy


def expect_agreement(case: Case, theirs: Theirs) -> None:
    """Refuse to time two operations that do not compute the same."""
    leaves = [Tensor(x, requires_grad=not case.image) for x in case.maps]
    y = case.ours(*leaves, *case.parameters)
    y.backward(theirs.gy.numpy())
    ours = [y.data, *(t.grad for t in (*leaves, *case.parameters) if t.grad is not None)]
    their_y = theirs.output()
    for a, b in zip(ours, (their_y, *theirs.backward(their_y)), strict=True):
        expected = b.detach().numpy()
        scale = float(np.abs(expected).max())
        if not np.allclose(a, expected, rtol=1e-3, atol=1e-4 * scale):
            raise SystemExit(f"{case.name}: minires and PyTorch do not compute the same")


def row(name: str, way: str, seconds: Timing, work: Work, at: dict[str, float]) -> dict[str, Any]:
    """The figures of one operation in one direction."""
    floor = work.seconds(**at)
    return {
        "op": name,
        "way": way,
        **{engine: spread(taken) for engine, taken in seconds.items()},
        "ratio": ratio(seconds["pytorch"], seconds["minires"]),
        "floor_s": floor,
        "of_floor": floor / statistics.median(seconds["minires"]),
    }


def measure(case: Case, rounds: int, at: dict[str, float]) -> list[dict[str, Any]]:
    """Forward and backward of a case."""
    gy = cotangent(case)
    ours, theirs = Ours(case, gy), Theirs(case, gy)
    expect_agreement(case, theirs)
    forward = in_turn(
        rounds,
        minires=(ours.inputs, ours.forward),
        pytorch=(lambda: theirs.inputs, theirs.forward),
    )
    backward = in_turn(
        rounds,
        minires=(ours.output, ours.backward),
        pytorch=(theirs.output, theirs.backward),
    )
    return [
        row(case.name, "forward", forward, case.forward, at),
        row(case.name, "backward", backward, case.backward, at),
    ]


def update(rounds: int, at: dict[str, float]) -> dict[str, Any]:
    """SGD on all parameters of resnet-20: w, v and g are read, w and v written."""
    net = net_of("resnet20")
    settings = {"lr": LR, "momentum": MOMENTUM, "weight_decay": WEIGHT_DECAY}
    ours = SGD(our_engine.built(net).parameters(), **settings)
    their_net, _, _ = their_engine.built(net, 1, channels_last=False)
    theirs = torch.optim.SGD(their_net.parameters(), **settings)
    for p in ours.parameters:
        p.grad = np.ones_like(p.data)
    for q in their_net.parameters():
        q.grad = torch.ones_like(q)
    seconds = in_turn(
        rounds,
        minires=(nothing, lambda _: ours.step()),
        pytorch=(nothing, lambda _: theirs.step()),
    )
    size = sum(p.size for p in ours.parameters)
    return row("SGD, all of resnet-20", "update", seconds, Work(0, 5 * size), at)


def table(results: list[dict[str, Any]]) -> Table:
    """The figures for a reader, times in milliseconds."""
    columns = ("", "minires", "PyTorch", "ratio", "floor", "of it")
    narrow: dict[str, Any] = {"box": SIMPLE_HEAD, "padding": 0}
    shown = Table(Column("ms", no_wrap=True), *columns, **narrow)
    for r in results:
        seconds = (r["minires"]["median_s"], r["pytorch"]["median_s"], r["floor_s"])
        ours, theirs, floor = (ms(s).removesuffix(" ms") for s in seconds)
        of_it = f"{100 * r['of_floor']:.0f} %"
        name = "" if r["way"] == "backward" else r["op"]
        shown.add_row(name, r["way"], ours, theirs, f"{r['ratio']:.2f}", floor, of_it)
    return shown


def main(
    threads: Annotated[int, typer.Option(help="For both engines.")] = 2,
    batch: Annotated[int, typer.Option(help="Images; an eighth of them at 224x224.")] = 128,
    rounds: Annotated[int, typer.Option(help="Turns that count.")] = 9,
    megabytes: Annotated[int, typer.Option(help="Of the matrices that give the rates.")] = 64,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "ops.json",
) -> None:
    """Time minires' operations beside PyTorch's."""
    use_threads(threads)
    at = rates(threads, megabytes)
    console.print(f"at best {at['gflops']:.0f} GFLOP/s, {at['gbytes']:.1f} GB/s read and written")
    results: list[dict[str, Any]] = []
    for case in cases(batch):
        results += measure(case, rounds, at)
    results.append(update(rounds, at))
    write(out, {**machine(threads), "torch": version("torch"), **at}, batch=batch, ops=results)
    console.print(table(results))


if __name__ == "__main__":
    typer.run(main)
