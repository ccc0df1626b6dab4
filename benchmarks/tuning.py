"""What is a constant of minires/kernels/cpu/tuning.py worth, in a whole step or inference?

    python benchmarks/tuning.py column_row=0 margin_windows=0
    python benchmarks/tuning.py tile=262144 tile=1048576 --cases train:resnet20@128

Each change of the table (several constants of one change by +) takes turns with the table as it
is, in one process. Printed is the time with the change over that without it: the median of the
pairs by the clock, and the least CPU time over the least, which a busy machine disturbs less.
Above 1, the table is faster as it is. A case is train:NET@BATCH or infer:NET@BATCH.
"""

import statistics
import time
from contextlib import nullcontext
from typing import Annotated, NamedTuple

import numpy as np
import typer
from common import listed, machine, ms
from engines import minires as engine
from engines.nets import net_of
from threadpoolctl import threadpool_limits

import minires
from minires.kernels.cpu import tuning

CASES = (
    "train:resnet20@128,train:resnet56@128,train:resnet56-digits@32,train:resnet18@16,"
    "train:resnet20@1,train:resnet20@4,infer:resnet20@1,infer:resnet56@1,infer:resnet18@1,"
    "infer:resnet50@1"
)


class Seconds(NamedTuple):
    """Of a call in a turn."""

    clock: float  # the median
    cpu: float  # the least


def timed(step: engine.Step, change: dict[str, float], least: float) -> Seconds:
    """The time of as many calls as fit into `least` seconds, three at least, after one more."""
    clock, cpu = [], []
    with tuning.changed(**change) if change else nullcontext():
        step()
        while len(clock) < 3 or sum(clock) < least:
            started = time.perf_counter(), time.process_time()
            step()
            clock.append(time.perf_counter() - started[0])
            cpu.append(time.process_time() - started[1])
    return Seconds(statistics.median(clock), min(cpu))


def parsed(change: str) -> dict[str, float]:
    """The constants of a change such as `tile=1000+sgd_tile=500`."""
    pairs = (part.partition("=") for part in change.split("+"))
    return {name: float(value) if "." in value else int(value) for name, _, value in pairs}


def main(
    changes: Annotated[list[str], typer.Argument(help="name=value, others added by +.")],
    cases: Annotated[str, typer.Option(help="By commas.")] = CASES,
    threads: Annotated[int, typer.Option(help="Of minires.")] = 2,
    rounds: Annotated[int, typer.Option(help="Turns that count.")] = 15,
    turn: Annotated[float, typer.Option(help="Seconds of a turn, three calls at least.")] = 0.1,
) -> None:
    """Time nets with the table of constants changed and as it is."""
    threadpool_limits(threads, user_api="blas")
    minires.set_num_threads(threads)
    print(f"{machine(threads)['cpu']}, {threads} threads, {rounds} turns\n")
    print("| case | as it is | change | by the clock | middle half | least CPU time |")
    print("|---|---|---|---|---|---|", flush=True)
    for case in listed(cases):
        kind, _, name = case.partition(":")
        net, _, batch = name.partition("@")
        make = {"train": engine.training, "infer": engine.inference}[kind]
        step = make(net_of(net), int(batch))
        turns: dict[str, list[Seconds]] = {change: [] for change in ("", *changes)}
        for number in range(rounds + 1):
            for change, taken in turns.items():
                seconds = timed(step, parsed(change) if change else {}, turn)
                if number:
                    taken.append(seconds)
        now = ms(statistics.median(s.clock for s in turns[""]))
        for change in changes:
            pairs = zip(turns[change], turns[""], strict=True)
            low, mid, high = np.percentile([a.clock / b.clock for a, b in pairs], (25, 50, 75))
            least, least_now = (min(s.cpu for s in turns[c]) for c in (change, ""))
            print(
                f"| {case} | {now} | {change} | {mid:.3f} | {low:.3f}-{high:.3f} "
                f"| {least / least_now:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    typer.run(main)
