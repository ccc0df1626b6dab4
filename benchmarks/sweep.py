"""How much faster are trainings on several workers than in one process, to the same bits?

    python benchmarks/sweep.py

Trains every net with every seed in one process with the threads of one worker, in one process with
all threads, and on workers, in turn. The history and the weights of the first and the last must be
the same, to the bit. Prints a table and writes benchmarks/results/sweep.json.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from common import RESULTS, machine, ratio, timing, write
from rich.console import Console
from rich.table import Table

from minires import get_num_threads, set_num_threads
from minires.cli.options import integers, names
from minires.data import digits
from minires.experiments.degradation import Config, Degradation
from minires.kernels import blas_threads
from minires.parallel.sweeps import Sweep, SweepConfig
from minires.runs import read_history

DATA = digits()


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Compute with n threads inside."""
    before = get_num_threads()
    set_num_threads(n)
    with blas_threads(n):
        yield
    set_num_threads(before)


def seconds(config: Config, out: Path, sweep: Sweep | None = None) -> float:
    """The time that a run takes, its figures included."""
    started = time.perf_counter()
    for _ in Degradation.start(config, DATA, out, sweep=sweep).run():
        pass
    return time.perf_counter() - started


def ended(out: Path) -> tuple[list[Any], dict[str, bytes]]:
    """The history, without the seconds, and the weights that a run left."""
    rows = [replace(row, seconds=0) for row in read_history(out / "history.csv")]
    return rows, {path.name: path.read_bytes() for path in (out / "weights").iterdir()}


def main(
    nets: Annotated[str, typer.Option(help="By commas.")] = "plain20,resnet20",
    seeds: Annotated[str, typer.Option(help="By commas; each net is trained once for each.")] = (
        "0,1,2,3"
    ),
    epochs: Annotated[int, typer.Option(help="Of each training.")] = 12,
    workers: Annotated[int, typer.Option(help="Processes that train.")] = 2,
    rounds: Annotated[int, typer.Option(help="Turns.")] = 3,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "sweep.json",
) -> None:
    """Time a sweep on workers and in one process."""
    config = Config(nets=names(nets), seeds=integers(seeds), epochs=epochs)
    count, each = len(config.nets) * len(config.seeds), get_num_threads() // workers
    labels = [f"1 process, {each} threads", f"1 process, {get_num_threads()} threads"]
    labels += [f"{workers} workers, {each} threads each"]
    taken: dict[str, list[float]] = {label: [] for label in labels}
    connecting: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            runs = [Path(folder, f"{number} {label}") for label in labels]
            for label, run, n in zip(labels[:2], runs[:2], (each, get_num_threads()), strict=True):
                with threads(n):
                    taken[label].append(seconds(config, run))
            started = time.perf_counter()
            with SweepConfig(workers=workers).connected() as sweep:
                connecting.append(time.perf_counter() - started)
                taken[labels[2]].append(seconds(config, runs[2], sweep))
            if ended(runs[0]) != ended(runs[2]):
                raise SystemExit(f"{labels[2]} did not end as {labels[0]}")
    shown = Table(f"{count} trainings", "median", "faster than the first, pair by pair")
    faster = {label: ratio(taken[labels[0]], times) for label, times in taken.items()}
    for label, times in taken.items():
        shown.add_row(label, f"{timing(times)['median_s']:.1f} s", f"{faster[label]:.2f}")
    Console(highlight=False).print(shown)
    facts = {label: {**timing(times), "faster": faster[label]} for label, times in taken.items()}
    settings = {"nets": nets, "seeds": seeds, "epochs": epochs, "rounds": rounds}
    write(out, machine(each), **settings, runs=facts, starting_workers=timing(connecting))


if __name__ == "__main__":
    typer.run(main)
