"""Is there an altered input that minires neither reads nor answers with its own error?

    python benchmarks/fuzz.py

Everything that is read from outside (weights, CIFAR-10, images, labels, the files of a run), with
bits flipped, cut short, zeroed, blocks swapped, lengths changed: see tests/fuzzing.py, which says
how, and by whose numbers any input can be made again. Some inputs are made to take long, or much
memory. Prints a table, writes benchmarks/results/fuzz.json, and ends with 1 if anything was neither
read nor raised such an error, or not within the bounds on time, memory and the length of a message.
"""

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from common import HERE, RESULTS, machine, ms, write
from rich.console import Console
from rich.table import Table

sys.path.append(str(HERE.parent / "tests"))
from fuzzing import READERS, SECONDS, fuzz


def main(
    count: Annotated[int, typer.Option(help="Altered inputs for each reader.")] = 1000,
    first: Annotated[int, typer.Option(help="The number of the first.")] = 0,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "fuzz.json",
) -> None:
    """Read many altered inputs."""
    console = Console(highlight=False)
    shown = Table("reader", "read", "raised", "wrong", "slowest", "memory")
    found: dict[str, Any] = {}
    started = time.perf_counter()
    for name in READERS:
        found[name] = result = fuzz(name, count, first)
        for sentence in result["wrong"]:
            console.print(f"{name}, {sentence}", markup=False)
        figures = (result.get(key, 0) for key in ("read", "raised"))
        cost = (ms(result.get("slowest_s", SECONDS)), f"{result.get('memory_mb', 0):.1f} MB")
        shown.add_row(name, *map(str, figures), str(len(result["wrong"])), *cost)
    seconds = time.perf_counter() - started
    console.print(shown)
    wrong = sum(len(result["wrong"]) for result in found.values())
    console.print(f"{count * len(READERS):,} inputs in {seconds:.0f} s, {wrong} of them wrong")
    write(out, machine(1), count=count, first=first, seconds=seconds, readers=found)
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
