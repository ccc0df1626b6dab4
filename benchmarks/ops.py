"""What does each operation cost, beside the reference, PyTorch and the machine's best?

    python benchmarks/ops.py

Forward and backward of each operation of resnet-20 and of resnet-18's stem, all three in one
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
from common import RESULTS, machine, ms, ratio, timing, write
from engines import LR, MOMENTUM, WEIGHT_DECAY
from engines import minires as our_engine
from engines import pytorch as their_engine
from engines.nets import net_of
from op_cases import Case, Work, cases
from op_engines import Ours, Reference, Theirs, cotangent
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from turns import Timing, in_turn, nothing, turn, use_threads

import minires
from minires import Tensor
from minires.optim import SGD

console = Console(highlight=False, width=100)


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


def expect_agreement(case: Case, theirs: Theirs) -> None:
    """Raise SystemExit if minires and PyTorch do not compute the same."""
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
        **{engine: timing(taken) for engine, taken in seconds.items()},
        "ratio": ratio(seconds["pytorch"], seconds["minires"]),
        "reference_ratio": ratio(seconds["reference"], seconds["minires"]),
        "floor_s": floor,
        "of_floor": floor / statistics.median(seconds["minires"]),
    }


def measure(case: Case, rounds: int, at: dict[str, float]) -> list[dict[str, Any]]:
    """Forward and backward of a case."""
    gy = cotangent(case)
    ours, theirs, reference = Ours(case, gy), Theirs(case, gy), Reference(case, gy)
    expect_agreement(case, theirs)
    forward = in_turn(
        rounds,
        minires=(ours.inputs, ours.forward),
        pytorch=(lambda: theirs.inputs, theirs.forward),
        reference=(reference.inputs, reference.forward),
    )
    backward = in_turn(
        rounds,
        minires=(ours.output, ours.backward),
        pytorch=(theirs.output, theirs.backward),
        reference=(reference.output, reference.backward),
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

    def by_reference() -> None:
        with minires.textbook():
            ours.step()

    seconds = in_turn(
        rounds,
        minires=(nothing, lambda _: ours.step()),
        pytorch=(nothing, lambda _: theirs.step()),
        reference=(nothing, lambda _: by_reference()),
    )
    size = sum(p.size for p in ours.parameters)
    return row("SGD, all of resnet-20", "update", seconds, Work(0, 5 * size), at)


def table(results: list[dict[str, Any]]) -> Table:
    """The figures for a reader, times in milliseconds."""
    columns = ("", "minires", "PyTorch", "ratio", "reference", "ratio", "floor", "of it")
    narrow: dict[str, Any] = {"box": SIMPLE_HEAD, "padding": 0}
    shown = Table(Column("ms", no_wrap=True), *columns, **narrow)
    for r in results:
        seconds = [r[name]["median_s"] for name in ("minires", "pytorch", "reference")]
        ours, theirs, slow, floor = (ms(s).removesuffix(" ms") for s in (*seconds, r["floor_s"]))
        of_it = f"{100 * r['of_floor']:.0f} %"
        name = "" if r["way"] == "backward" else r["op"]
        ratios = f"{r['ratio']:.2f}", f"{r['reference_ratio']:.1f}"
        shown.add_row(name, r["way"], ours, theirs, ratios[0], slow, ratios[1], floor, of_it)
    return shown


def main(
    threads: Annotated[int, typer.Option(help="For both engines.")] = 2,
    batch: Annotated[int, typer.Option(help="Images; an eighth of them at 224x224.")] = 128,
    rounds: Annotated[int, typer.Option(help="Turns that count.")] = 9,
    megabytes: Annotated[int, typer.Option(help="Of the matrices that give the rates.")] = 64,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "ops.json",
) -> None:
    """Time minires' operations beside its reference's and PyTorch's."""
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
