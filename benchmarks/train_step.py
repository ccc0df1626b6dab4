"""How long does one training step take, beside PyTorch's default, and how much memory?

    python benchmarks/train_step.py

Each engine runs in a process of its own, with the same threads; they take their steps in
turn, so that both meet the same moods of the machine. Prints a table and writes
benchmarks/results/train_step.json.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
ENGINES = ("minires", "pytorch")


class Engine:
    """A process that takes steps when asked."""

    def __init__(self, name: str, net: str, batch: int, threads: int) -> None:
        counts = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "OPENBLAS", "MKL")}
        self.process = subprocess.Popen(
            [sys.executable, "engines.py", name, net, str(batch)],
            cwd=HERE,
            env={**os.environ, **counts},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, line: str) -> list[float]:
        """Send a line, and wait for the numbers that come back."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return [float(number) for number in self.process.stdout.readline().split()]

    def close(self) -> None:
        """End the process."""
        self.process.communicate()


def measure(net: str, batch: int, threads: int, rounds: int, warmup: int) -> dict[str, Any]:
    """Seconds a step by engine, taken in turn, and peak memory."""
    engines = {name: Engine(name, net, batch, threads) for name in ENGINES}
    seconds: dict[str, list[float]] = {name: [] for name in ENGINES}
    for done in range(warmup + rounds):
        for name, engine in engines.items():
            (taken,) = engine.ask("step")
            if done >= warmup:
                seconds[name].append(taken)
    result: dict[str, Any] = {"net": net, "batch": batch}
    for name, engine in engines.items():
        peak, before = engine.ask("peak")
        engine.close()
        result[name] = {
            "median_s": round(statistics.median(seconds[name]), 4),
            "min_s": round(min(seconds[name]), 4),
            "max_s": round(max(seconds[name]), 4),
            "peak_mb": round(peak),
            "net_mb": round(peak - before),  # without the interpreter and the libraries
        }
    pairs = zip(seconds["pytorch"], seconds["minires"], strict=True)
    result["ratio"] = round(statistics.median(theirs / ours for theirs, ours in pairs), 3)
    return result


def machine(threads: int) -> dict[str, Any]:
    """What was measured on, and with."""
    cpuinfo = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip()
        for line in (cpuinfo.read_text().splitlines() if cpuinfo.exists() else [])
        if line.startswith("model name")
    ]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "torch": version("torch"),
        "date": date.today().isoformat(),
    }


def show(results: list[dict[str, Any]]) -> None:
    """Print the table."""
    table = Table("net", "batch", "engine", "median", "min", "max", "memory of the net")
    for result in results:
        for name in ENGINES:
            r = result[name]
            times = [f"{1000 * r[key]:.0f} ms" for key in ("median_s", "min_s", "max_s")]
            table.add_row(result["net"], str(result["batch"]), name, *times, f"{r['net_mb']} MB")
        table.add_row("", "", f"PyTorch / minires: {result['ratio']:.2f}", end_section=True)
    Console().print(table)


def main(
    nets: Annotated[str, typer.Option(help="By commas.")] = "resnet20,resnet56",
    batch: Annotated[int, typer.Option(help="Images a step.")] = 128,
    threads: Annotated[int, typer.Option(help="For every engine.")] = 2,
    rounds: Annotated[int, typer.Option(help="Steps that count.")] = 7,
    warmup: Annotated[int, typer.Option(help="Steps before them.")] = 2,
) -> None:
    """Time training steps of minires beside PyTorch's."""
    results = [measure(net, batch, threads, rounds, warmup) for net in nets.split(",")]
    show(results)
    path = HERE / "results" / "train_step.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"machine": machine(threads), "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
