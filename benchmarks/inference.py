"""How long does one image take, and how many a second are there of many, beside PyTorch?

    python benchmarks/inference.py

Nets in evaluation, nothing recorded for a backward pass. One image at a time: the median and
the slowest hundredth of all calls. Many at a time: images a second. Each engine is a process
of its own, and they take turns. Prints a table and writes benchmarks/results/inference.json.
"""

import statistics
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from common import RESULTS, listed, machine, ms, ratio, timing, write
from processes import compare, console, installed, medians
from rich.table import Table

PERCENTILE = 99


def measure(
    net: str, batch: int, pythons: dict[str, str], threads: int, rounds: int, seconds: float
) -> dict[str, Any]:
    """Seconds a call by engine, taken in turn, and peak memory."""
    turns_each = dict.fromkeys(pythons, rounds)
    raced = compare("inference", net, batch, pythons, threads, turns_each, 3, seconds)
    by_turn = {name: medians(turns) for name, (turns, _) in raced.items()}
    first = next(iter(by_turn.values()))
    figures: dict[str, Any] = {}
    for name, (turns, memory) in raced.items():
        calls = [taken for turn in turns for taken in turn]
        figures[name] = {
            **timing(calls),
            "p99_s": float(np.percentile(calls, PERCENTILE)),
            "calls": len(calls),
            "images_per_s": batch / statistics.median(calls),
            "ratio": ratio(by_turn[name], first),
            **memory,
        }
    return {"net": net, "batch": batch, "engines": figures}


def table(result: dict[str, Any]) -> Table:
    """The figures of a net and batch size for a reader."""
    first = next(iter(result["engines"]))
    title = f"{result['net']}, batch {result['batch']}"
    shown = Table(title, "median", "99 %", "images/s", f"/ {first}", "memory")
    for name, r in result["engines"].items():
        slowest = ms(r["p99_s"]) if r["calls"] >= 100 else "too few"
        figures = f"{r['images_per_s']:,.0f}", f"{r['ratio']:.2f}", f"{r['net_mb']:,.0f} MB"
        shown.add_row(name, ms(r["median_s"]), slowest, *figures)
    return shown


def main(
    nets: Annotated[str, typer.Option(help="By commas.")] = "resnet20,resnet56,resnet18,resnet50",
    batch: Annotated[str, typer.Option(help="Images a call, by commas.")] = "1,128",
    engines: Annotated[
        str, typer.Option(help="By commas.")
    ] = "minires-replayed,minires,pytorch,pytorch-channels-last",
    threads: Annotated[int, typer.Option(help="For every engine.")] = 2,
    rounds: Annotated[int, typer.Option(help="Turns of each engine.")] = 9,
    seconds: Annotated[float, typer.Option(help="A turn, at least one call.")] = 1.0,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "inference.json",
) -> None:
    """Time minires' evaluation of nets beside PyTorch's."""
    found = installed(listed(engines), [])
    if not found:
        sys.exit("there is no engine to time")
    pythons = {name: python for name, (python, _) in found.items()}
    facts = machine(threads)
    facts["engines"] = {name: versions for name, (_, versions) in found.items()}
    results: list[dict[str, Any]] = []
    for net in listed(nets):
        for size in listed(batch):
            results.append(measure(net, int(size), pythons, threads, rounds, seconds))
            write(out, facts, results=results)
            console.print(table(results[-1]))


if __name__ == "__main__":
    typer.run(main)
