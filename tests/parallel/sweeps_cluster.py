"""A Dask scheduler and workers as processes of their own, and calls that they make in tests."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from minires import get_num_threads
from minires.errors import UsageError
from minires.parallel.sweeps import SweepConfig

_PATHS = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]  # minires, this module
_SETTINGS = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "6s"}  # instead of 5 minutes
_unpickled = Counter()


class Cluster:
    """A scheduler, and workers of one thread that Dask does not start again when they end."""

    def __init__(self, folder):
        self.folder = folder
        self.workers = []
        arguments = ("--port", "0", "--host", "127.0.0.1", "--no-dashboard")
        self.scheduler = self._start("scheduler", *arguments)
        self._wait(self._file.exists)
        self.address = json.loads(self._file.read_text())["address"]

    @property
    def _file(self):
        return self.folder / "scheduler.json"

    def start_worker(self, *paths, count=1):
        """Start workers, which import from these folders; return the processes when all run."""
        paths = paths or _PATHS
        with self.sweep() as sweep:
            known = len(sweep._client.nthreads())
            arguments = ("--nthreads", "1", "--no-nanny", "--no-dashboard")
            started = [self._start("worker", *arguments, paths=paths) for _ in range(count)]
            self._wait(lambda: len(sweep._client.nthreads()) == known + count)
        self.workers += started
        return started

    def _start(self, what, *arguments, paths=_PATHS):
        module = f"distributed.cli.dask_{what}"
        path = os.pathsep.join(map(str, paths))
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", module, "--scheduler-file", self._file, *arguments],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", **_SETTINGS},
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def _wait(self, condition):
        deadline = time.monotonic() + 120
        while not condition():
            assert self.scheduler.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.05)

    def sweep(self):
        """Connect to it."""
        return SweepConfig(scheduler=self.address).connected()

    def end(self, worker):
        """Kill a worker."""
        worker.kill()
        worker.wait()
        self.workers.remove(worker)

    def kill(self):
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@contextmanager
def cluster(folder, workers):
    started = Cluster(folder)
    try:
        started.start_worker(count=workers)
        yield started
    finally:
        started.kill()


# --- calls ---------------------------------------------------------------------------------------


@dataclass
class Told:
    """Counts how often it arrives in a process."""

    name: str

    def __reduce__(self):
        return _told, (self.name,)


def _told(name):
    _unpickled[name] += 1
    return Told(name)


def where(shared, link, seconds=0.2):
    """The process, how often the shared data came to it, and its threads."""
    time.sleep(seconds)
    return os.getpid(), _unpickled[shared.name], get_num_threads()


def at_once(shared, link, folder):
    """How many other calls are computed in this process meanwhile."""
    mine = Path(folder, f"{os.getpid()}-{time.monotonic_ns()}")
    mine.touch()
    time.sleep(0.1)
    others = len(list(Path(folder).glob(f"{os.getpid()}-*"))) - 1
    mine.unlink()
    return others


def ends_its_process(shared, link, marker):
    """Kill the worker; the next one that gets the call returns."""
    if not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), 9)
    return "computed again"


def raises(shared, link, error):
    raise {"usage": UsageError, "bug": ZeroDivisionError}[error](f"the {error} of a call")


def until_stopped(shared, link):
    while not link.stopping():
        time.sleep(0.02)
    return "stopped"
