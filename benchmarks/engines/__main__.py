"""One engine in a process of its own, which takes steps when asked.

    python -m engines training ENGINE NET BATCH THREADS
    python -m engines inference ENGINE NET BATCH THREADS
    python -m engines versions ENGINE

`versions` prints what the engine runs on, as JSON. The others answer lines from their input:

    turn S      take steps for S seconds, at least one; the seconds of each
    value       what the last step returned
    peak        the largest memory the process has had, and that it had before the net, in MB
    gpu         of a step: launches, kernels, and the memory of the GPU that was taken since the
                process began, in MB; for engines on a GPU, one process at a time
"""

import importlib
import json
import os
import platform
import resource
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from . import KINDS, ON_GPU, Step
from .nets import net_of


def peak_megabytes() -> float:
    """The largest resident memory of this process so far, in MB.

    Linux counts that of the parent at the fork into ru_maxrss, so there VmHWM is read.
    """
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else []:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def turn(step: Step, seconds: float) -> tuple[list[float], float]:
    """The seconds of each step, and what the last one returned."""
    taken: list[float] = []
    while not taken or sum(taken) < seconds:
        started = time.perf_counter()
        value = step()
        taken.append(time.perf_counter() - started)
    return taken, value


def answer(mode: str, engine: str, net: str, n: str, threads: str) -> None:
    """Take steps when asked, until there is no more input."""
    if hasattr(os, "sched_setaffinity"):  # some engines count cores, and nothing else
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(threads)])
    kind = KINDS[engine]
    gpu = importlib.import_module(".gpu", __package__) if engine in ON_GPU else None
    used = gpu.used_megabytes() if gpu else 0.0
    module = importlib.import_module(f".{kind.module}", __package__)
    before = peak_megabytes()
    step = getattr(module, mode)(net_of(net), int(n), **kind.settings)
    value = 0.0
    for line in sys.stdin:
        word, *numbers = line.split()
        if word == "turn":
            taken, value = turn(step, float(numbers[0]))
            print(*taken, flush=True)
        elif word == "value":
            print(value, flush=True)
        elif word == "gpu" and gpu:
            taken_on_gpu = gpu.used_megabytes() - used
            print(*gpu.counted(step), taken_on_gpu, flush=True)
        else:
            print(peak_megabytes(), before, flush=True)


def versions(engine: str) -> None:
    """Print versions as JSON, if the engine can be imported."""
    kind = KINDS[engine]
    importlib.import_module(f".{kind.module}", __package__)
    of = {library: _version(library) for library in ("numpy", kind.library)}
    print(json.dumps({"python": platform.python_version(), **of}))


def _version(library: str) -> str:
    """The version of a library; it may be on the path without being installed."""
    try:
        return version(library)
    except PackageNotFoundError:
        return str(importlib.import_module(library).__version__)


if __name__ == "__main__":
    if sys.argv[1] == "versions":
        versions(sys.argv[2])
    else:
        answer(*sys.argv[1:])
