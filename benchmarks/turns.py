"""Two engines in one process, with the same threads, that take turns at small things."""

import os
import statistics
import time
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from threadpoolctl import threadpool_limits

import minires

TURN = 0.03  # seconds

Ready = TypeVar("Ready")
Timing = dict[str, list[float]]  # seconds by engine, one a turn


def use_threads(n: int) -> None:
    """Hold both engines to so many threads."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n])
    threadpool_limits(n, user_api="blas")
    minires.set_num_threads(n)
    torch.set_num_threads(n)


def turn(prepare: Callable[[], Ready], act: Callable[[Ready], object]) -> float:
    """The median seconds of `act` on what `prepare` makes, of as many as fit into a turn."""
    taken: list[float] = []
    while not taken or sum(taken) < TURN:
        ready = prepare()
        started = time.perf_counter()
        result = act(ready)
        taken.append(time.perf_counter() - started)
        del result, ready
    return statistics.median(taken)


def in_turn(rounds: int, **engines: tuple[Callable[[], Any], Callable[[Any], object]]) -> Timing:
    """The seconds of each engine's turns at (prepare, act), after one that does not count."""
    seconds: Timing = {name: [] for name in engines}
    for number in range(rounds + 1):
        for name, (prepare, act) in engines.items():
            taken = turn(prepare, act)
            if number:
                seconds[name].append(taken)
    return seconds


def nothing() -> None:
    """What needs no preparation."""
