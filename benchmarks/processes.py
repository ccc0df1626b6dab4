"""Engines in processes of their own, with the same threads, that take their turns in one run.

So all meet the same moods of the machine. A turn is as many steps as fit into some time, so
that a short step is not measured in caches that another engine has just filled.
"""

import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common import HERE
from engines import KINDS
from rich.console import Console

console = Console(highlight=False)


class StoppedError(Exception):
    """The process of an engine has ended before its time."""


class Engine:
    """A process that takes steps when asked.

    Attributes:
        values: what the steps of the warm-up returned.
    """

    def __init__(
        self, mode: str, name: str, net: str, batch: int, threads: int, python: str = sys.executable
    ) -> None:
        self.process = subprocess.Popen(
            [python, "-m", "engines", mode, name, net, str(batch), str(threads)],
            cwd=HERE,
            env=_environment(threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.values: list[float] = []

    def ask(self, line: str) -> list[float]:
        """Send a line, and wait for the numbers that come back."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise StoppedError from None
        answer = self.process.stdout.readline().split()
        if not answer:
            raise StoppedError
        return [float(number) for number in answer]

    def warm_up(self, steps: int) -> None:
        """Take steps that do not count."""
        for _ in range(steps):
            self.ask("turn 0")
            self.values += self.ask("value")

    def memory(self) -> dict[str, float]:
        """The peak so far, and that without the interpreter and the libraries, in MB."""
        peak, before = self.ask("peak")
        return {"peak_mb": peak, "net_mb": peak - before}

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()


def _environment(threads: int) -> dict[str, str]:
    """The environment of an engine that starts in another folder and has so many threads."""
    counts = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "OPENBLAS", "MKL")}
    folders = [f for f in os.environ.get("PYTHONPATH", "").split(os.pathsep) if f]
    return {**os.environ, **counts, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, folders))}


def installed(names: Sequence[str], pythons: Sequence[Path]) -> dict[str, tuple[str, Any]]:
    """Of each engine that can be imported: the first interpreter that can, and its versions.

    The others are left out with a sentence.
    """
    found: dict[str, tuple[str, Any]] = {}
    for name in names:
        if name not in KINDS:
            raise SystemExit(f"there is no engine {name!r}; there are: {', '.join(KINDS)}")
        for python in (sys.executable, *map(os.path.abspath, pythons)):
            command = [python, "-m", "engines", "versions", name]
            result = subprocess.run(
                command, cwd=HERE, env=_environment(1), capture_output=True, text=True
            )
            if result.returncode == 0:
                found[name] = python, json.loads(result.stdout)
                break
        else:
            reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
            console.print(f"{name} is left out: {reason}", markup=False)
    return found


def race(
    engines: dict[str, Engine], rounds: Mapping[str, int], warmup: int, seconds: float
) -> dict[str, list[list[float]]]:
    """The seconds of each step in each turn of each engine, which took them one after the other.

    An engine whose process ends is closed, and left out with a sentence.

    Args:
        engines: by a name to print.
        rounds: how many turns each takes.
        warmup: steps before them.
        seconds: a turn lasts, one step at least.
    """
    turns: dict[str, list[list[float]]] = {name: [] for name in engines}
    for number in range(-1, max(rounds.values())):
        for name, engine in list(engines.items()):
            try:
                if number < 0:
                    engine.warm_up(warmup)
                elif number < rounds[name]:
                    turns[name].append(engine.ask(f"turn {seconds}"))
            except StoppedError:
                console.print(f"{name} is left out: its process ended", markup=False)
                engines.pop(name).close()
                del turns[name]
    return turns


def compare(
    mode: str,
    net: str,
    batch: int,
    pythons: Mapping[str, str],
    threads: int,
    rounds: Mapping[str, int],
    warmup: int,
    seconds: float,
) -> dict[str, tuple[list[list[float]], dict[str, float]]]:
    """The turns and the memory of engines that do the same, each in its interpreter."""
    engines: dict[str, Engine] = {}
    try:
        for name, python in pythons.items():
            engines[name] = Engine(mode, name, net, batch, threads, python)
        turns = race(engines, rounds, warmup, seconds)
        expect_agreement(engines)
        return {name: (turns[name], engine.memory()) for name, engine in engines.items()}
    finally:
        for engine in engines.values():
            engine.close()


def medians(turns: Sequence[Sequence[float]]) -> list[float]:
    """A step's seconds in each turn."""
    return [statistics.median(turn) for turn in turns]


def expect_agreement(engines: Mapping[str, Engine]) -> None:
    """Raise SystemExit if engines did not compute the same.

    Looked at are the first two steps; later, rounding makes its own way through a deep net.
    """
    first, *others = engines.items()
    for name, engine in others:
        for a, b in zip(first[1].values[:2], engine.values[:2], strict=True):
            if not math.isclose(a, b, rel_tol=0.02):
                raise SystemExit(f"{name} computed {b:.6g} where {first[0]} computed {a:.6g}")
