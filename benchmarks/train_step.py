"""How long does one training step take, beside other engines, and how much memory?

    python benchmarks/train_step.py
    python benchmarks/train_step.py --nets resnet20 --batch 1,4,16,64,128,256 --out FILE
    python benchmarks/train_step.py --nets resnet20 --engines all --peer-python PYTHON

The peers beside PyTorch may live in environments of their own, whose interpreters are named
with --peer-python, as often as need be. Prints a table and writes
benchmarks/results/train_step.json.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from common import RESULTS, listed, machine, ms, ratio, timing, write
from engines import ENGINES, PEERS
from processes import compare, console, installed, medians
from rich.table import Table

TURN = 0.2  # seconds


def cases(nets: str, batches: str) -> list[tuple[str, int]]:
    """Each net at each batch size, but one like resnet18@16 at its own."""
    return [
        (net, int(batch))
        for net, _, own in (name.partition("@") for name in listed(nets))
        for batch in ([own] if own else listed(batches))
    ]


def measure(
    net: str, batch: int, pythons: dict[str, str], threads: int, rounds: dict[str, int], warmup: int
) -> dict[str, Any]:
    """Seconds a step by engine, taken in turn, and peak memory."""
    raced = compare("training", net, batch, pythons, threads, rounds, warmup, TURN)
    seconds = {name: medians(turns) for name, (turns, _) in raced.items()}
    first = next(iter(seconds.values()))
    figures = {
        name: {**timing(seconds[name]), "ratio": ratio(seconds[name], first), **memory}
        for name, (_, memory) in raced.items()
    }
    return {"net": net, "batch": batch, "engines": figures}


def table(result: dict[str, Any]) -> Table:
    """The figures of a net and batch size for a reader."""
    first = next(iter(result["engines"]))
    title = f"{result['net']}, batch {result['batch']}"
    shown = Table(title, "median", "min", "max", f"/ {first}", "memory")
    for name, r in result["engines"].items():
        times = [ms(r[key]) for key in ("median_s", "min_s", "max_s")]
        shown.add_row(name, *times, f"{r['ratio']:.2f}", f"{r['net_mb']:,.0f} MB")
    return shown


def main(
    nets: Annotated[
        str, typer.Option(help="By commas; resnet20x2 is wider, @16 gives one its own batch.")
    ] = "resnet20,resnet56,resnet110,resnet18@16,resnet56-digits@32",
    batch: Annotated[str, typer.Option(help="Images a step, by commas.")] = "128",
    engines: Annotated[
        str, typer.Option(help=f"By commas, or all: {', '.join(ENGINES)}.")
    ] = "minires-replayed,minires,pytorch,pytorch-channels-last",
    threads: Annotated[int, typer.Option(help="For every engine.")] = 2,
    rounds: Annotated[int, typer.Option(help="Turns that count.")] = 9,
    peer_rounds: Annotated[int, typer.Option(help=f"Those of {', '.join(PEERS)}.")] = 3,
    warmup: Annotated[int, typer.Option(help="Steps before them.")] = 3,
    peer_python: Annotated[
        list[Path] | None, typer.Option(help="Another interpreter to look for engines in.")
    ] = None,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "train_step.json",
) -> None:
    """Time training steps of minires beside those of other engines."""
    names = list(ENGINES) if engines == "all" else listed(engines)
    found = installed(names, peer_python or [])
    if not found:
        sys.exit("there is no engine to time")
    pythons = {name: python for name, (python, _) in found.items()}
    turns = {name: peer_rounds if name in PEERS else rounds for name in found}
    facts = machine(threads)
    facts["engines"] = {name: versions for name, (_, versions) in found.items()}
    results: list[dict[str, Any]] = []
    for net, size in cases(nets, batch):
        results.append(measure(net, size, pythons, threads, turns, warmup))
        write(out, facts, results=results)
        console.print(table(results[-1]))


if __name__ == "__main__":
    typer.run(main)
