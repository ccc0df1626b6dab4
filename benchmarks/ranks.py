"""One training step on several ranks, measured on this machine and estimated for more.

    python benchmarks/ranks.py

A step of resnet-56 with 128 images of 32x32: one rank with one thread, one rank with two, and two
ranks with one each, in turns. The latter also with all gradients in one message, which leaves
after backward. A rank waits for two things: the other rank, where it is the first, and messages.
The rank that is the last waits for messages alone: what it waits less with buckets than with one
message is the share of the all-reduce that is hidden. Last, on paper, 8 to 256 ranks, each with the
same images: a rank's measured step, and a ring all-reduce of the parameters' bytes, of which
backward can hide all but the last bucket.
Prints tables in Markdown and writes benchmarks/results/ranks.json.
"""

import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from common import RESULTS, machine, ms, write
from rich.console import Console

import minires
from minires import functional as F
from minires.kernels import blas_threads
from minires.models import cifar_net
from minires.parallel import DistributedSGD
from minires.parallel.ranks import world

console = Console(highlight=False, soft_wrap=True)
app = typer.Typer(add_completion=False)

BUCKET, WHOLE = 1 << 20, (1 << 31) - 1  # bytes
SETUPS = {  # ranks, threads of each, bytes of a bucket
    "1 rank, 1 thread": (1, 1, BUCKET),
    "1 rank, 2 threads": (1, 2, BUCKET),
    "2 ranks, 1 thread each": (2, 1, BUCKET),
    "the same, one message after backward": (2, 1, WHOLE),
}
# Seconds before a message arrives, and bytes a second. 10 Gbit/s through TCP: the latency between
# applications that Hurwitz and Feng measured (Hot Interconnects 11, 2003, "Initial End-to-End
# Performance Evaluation of 10-Gigabit Ethernet").
# InfiniBand HDR, 200 Gbit/s: that of MPI as the MVAPICH project publishes it.
NETWORKS = {"Ethernet, 10 Gbit/s": (20e-6, 1.25e9), "InfiniBand HDR": (1e-6, 25e9)}
RANKS = (8, 16, 32, 64, 128, 256)


def step_times(net: str, batch: int, threads: int, bucket: int, steps: int) -> dict[str, Any]:
    """Take steps on the ranks that run this; return the seconds of each part, and the messages.

    "waited" is what the rank waited that was last in a step, "early" the share of messages that it
    had when its backward ended, "apart" how much longer the first rank waited.
    """
    ranks, early = world(), []
    wait = ranks.wait

    def watched(request: Any) -> None:
        early.append(not request)  # MPI has set a request that has ended to its null request
        wait(request)

    minires.set_num_threads(threads)
    rng = np.random.default_rng(ranks.rank)
    images = rng.standard_normal((batch // ranks.size, 3, 32, 32), dtype=np.float32)
    labels = rng.integers(0, 10, len(images))
    model = cifar_net(net)
    optimiser = DistributedSGD(model, 0.01, 0.9, 1e-4, bucket_bytes=bucket)
    seconds, waited, backward = [], [], []
    with blas_threads(threads):
        for _ in range(2 + steps):  # two to warm up
            optimiser.waited, started = 0.0, time.perf_counter()
            early.clear()
            optimiser.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            before = time.perf_counter()
            ranks.wait = watched  # type: ignore[method-assign]
            optimiser.backward(loss)
            ranks.wait = wait  # type: ignore[method-assign]
            backward.append(time.perf_counter() - before - optimiser.waited)
            optimiser.step()
            seconds.append(time.perf_counter() - started)
            waited.append((optimiser.waited, statistics.mean(early or [0])))
    of_steps = list(zip(*ranks.gather(waited[2:]), strict=True))
    last, first = [min(step) for step in of_steps], [max(step) for step in of_steps]
    return {
        "seconds": statistics.median(seconds[2:]),
        "waited": statistics.median(seconds for seconds, _ in last),
        "early": statistics.mean(share for _, share in last),
        "apart": statistics.median(b[0] - a[0] for a, b in zip(last, first, strict=True)),
        "backward": statistics.median(backward[2:]),
        "bytes": sum(bucket.own.nbytes for bucket in optimiser.buckets),
        "last_bucket": optimiser.buckets[-1].own.nbytes,
    }


def started(
    ranks: int, threads: int, bucket: int, net: str, batch: int, steps: int
) -> dict[str, Any]:
    """Run `step_times` on so many ranks."""
    beside = str(Path(sys.executable).parent)
    mpiexec = shutil.which("mpiexec", path=beside) or shutil.which("mpiexec")
    if mpiexec is None:
        sys.exit("this needs mpiexec: pip install 'minires[mpi]'")
    work = [sys.executable, __file__, "step", net, *map(str, (batch, threads, bucket, steps))]
    done = subprocess.run([mpiexec, "-n", str(ranks), *work], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def on_paper(measured: dict[str, Any], ranks: int, latency: float, bandwidth: float) -> float:
    """How many times one rank so many are: its step computes, and waits for what is not hidden.

    A ring takes 2 (n − 1) rounds and moves 2 (n − 1) / n of the bytes. Messages leave evenly over
    backward; the last bucket leaves at its end.
    """

    def ring(size: int) -> float:
        return 2 * (ranks - 1) * (latency + size / ranks / bandwidth)

    computing = measured["seconds"] - measured["waited"]
    late = ring(measured["bytes"]) - measured["backward"]
    return ranks * computing / (computing + max(ring(measured["last_bucket"]), late))


@app.command()
def step(net: str, batch: int, threads: int, bucket: int, steps: int) -> None:
    """What each rank runs."""
    found = step_times(net, batch, threads, bucket, steps)
    if world().rank == 0:
        print(json.dumps(found))


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    net: Annotated[str, typer.Option(help="Which net.")] = "resnet56",
    batch: Annotated[int, typer.Option(help="Images a step, of all ranks together.")] = 128,
    rounds: Annotated[int, typer.Option(help="How often each setup has its turn.")] = 5,
    steps: Annotated[int, typer.Option(help="Steps a turn.")] = 6,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = RESULTS / "ranks.json",
) -> None:
    """Measure one training step on several ranks."""
    if context.invoked_subcommand:
        return
    turns: dict[str, list[dict[str, Any]]] = {name: [] for name in SETUPS}
    for _ in range(rounds):
        for name, setup in SETUPS.items():
            turns[name].append(started(*setup, net, batch, steps))
    best = {
        name: {key: statistics.median(turn[key] for turn in found) for key in found[0]}
        for name, found in turns.items()
    }
    console.print(f"| {net}, batch {batch} | step | against one thread |\n|---|---|---|")
    one = best["1 rank, 1 thread"]["seconds"]
    for name, found in best.items():
        console.print(f"| {name} | {ms(found['seconds'])} | {one / found['seconds']:.2f} |")
    two = best["2 ranks, 1 thread each"]
    late = best["the same, one message after backward"]["waited"]
    hidden = 1 - two["waited"] / late
    share = f"{100 * hidden:.0f} % are" if hidden > 0 else "nothing is"
    megabytes, early = two["bytes"] / 1e6, 100 * two["early"]
    console.print(
        f"\nThe last rank waits {ms(two['waited'])} after backward for {megabytes:.1f} MB, and "
        f"{ms(late)} where all of them leave then: {share} hidden. {early:.0f} % of the messages "
        f"have arrived before. The first rank waits {ms(two['apart'])} more for the last.\n"
    )
    console.print(f"| ranks | {' | '.join(NETWORKS)} |\n|---|{'---|' * len(NETWORKS)}")
    paper = {n: {name: on_paper(two, n, *of) for name, of in NETWORKS.items()} for n in RANKS}
    for n, times in paper.items():
        cells = (f"{faster:.1f} times one rank" for faster in times.values())
        console.print(f"| {n} | {' | '.join(cells)} |")
    facts = machine([1, 2])
    write(out, facts, net=net, batch=batch, setups=best, hidden=hidden, on_paper=paper)


if __name__ == "__main__":
    app()
