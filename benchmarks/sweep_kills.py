"""Kill workers, scheduler and client of a sweep at random moments, and compare how it ends.

    python benchmarks/sweep_kills.py

A scheduler, two workers and a client, in processes of their own, train plain-8 and resnet-8 on
digits; the client saves after every step. What is killed is started again, and so is a client that
ended with an error, which must be one sentence. When the run has ended, its history, except for the
seconds, and its weights are compared with those of a run without Dask, to the bit. Prints a table
and writes benchmarks/results/sweep_kills.json; exits with 1 if anything did not survive.
"""

import random
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from common import HERE, RESULTS, machine, write
from rich.console import Console
from rich.table import Table
from sweep import ended, threads

from minires.data import digits
from minires.experiments.degradation import Config, Degradation

CONFIG = Config(nets=("plain8", "resnet8"), epochs=2)
PATIENCE = 120.0  # seconds that a client may take to save something, or to end

CLIENT = """
import sys
from pathlib import Path
from minires.data import digits
from minires.errors import MiniresError
from minires.experiments.degradation import Degradation
from minires.parallel.sweeps import SweepConfig
from sweep_kills import CONFIG
out = Path(sys.argv[2])
try:
    with SweepConfig(scheduler=sys.argv[1]).connected() as sweep:
        if (out / "config.json").exists():
            run = Degradation.resume({}, out, lambda config: digits(), sweep=sweep)
        else:
            run = Degradation.start(CONFIG, digits(), out, sweep=sweep)
        run.autosave_interval = 0.0
        for event in run.run():
            pass
except MiniresError as error:
    sys.exit(str(error))
"""


class Processes:
    """What a sweep needs, each started again when it has ended."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        address, dask = f"tcp://127.0.0.1:{port}", [sys.executable, "-m"]
        scheduler = ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--no-dashboard"]
        worker = ["distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny"]
        self.commands = {
            "scheduler": [*dask, *scheduler, "--port", str(port)],
            **{f"worker {i}": [*dask, *worker, "--no-dashboard"] for i in (1, 2)},
            "client": [sys.executable, "-W", "ignore", "-c", CLIENT, address, str(folder / "run")],
        }
        self.folder = folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        """Start a process; what it says is in a file."""
        with open(self.folder / name, "wb") as log:
            self.running[name] = subprocess.Popen(
                self.commands[name], cwd=HERE, stdout=subprocess.DEVNULL, stderr=log
            )

    def ended(self, name: str) -> bool:
        """Return whether a process has ended, or was never started."""
        return name not in self.running or self.running[name].poll() is not None

    def kill(self, name: str) -> None:
        """SIGKILL."""
        self.running[name].kill()
        self.running[name].wait()


def main(
    kills: Annotated[int, typer.Option(help="SIGKILLs.")] = 30,
    seed: Annotated[int, typer.Option(help="Of the random numbers.")] = 0,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "sweep_kills.json",
) -> None:
    """Kill processes of sweeps, and count what became of them."""
    chance, killed, sentences, runs = random.Random(seed), Counter[str](), Counter[str](), 0
    slowest, survived, started = 0.0, 0, time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        unbroken = Path(temporary, "unbroken")
        with threads(1):
            list(Degradation.start(CONFIG, digits(), unbroken).run())
        while killed.total() < kills:
            runs += 1
            folder = Path(temporary, str(runs))
            folder.mkdir()
            processes = Processes(folder)
            try:
                next_kill, lost = time.monotonic() + chance.uniform(0, 10), None
                while True:
                    for name in ("scheduler", "worker 1", "worker 2"):
                        if processes.ended(name):
                            processes.start(name)
                    if processes.ended("client"):
                        client = processes.running.get("client")
                        if client is not None and client.returncode == 0:
                            break
                        if client is not None and client.returncode > 0:
                            said = (folder / "client").read_text().splitlines()
                            sentences[said[-1] if len(said) == 1 else f"{len(said)} lines"] += 1
                            if sentences.total() > 2 * kills:
                                raise SystemExit(f"the client ends whatever is killed: {said[-1]}")
                        if lost is not None:
                            slowest, lost = max(slowest, time.monotonic() - lost), None
                        processes.start("client")
                    said_or_saved = (folder / "client", folder / "run" / "history.csv")
                    recent = max(p.stat().st_mtime for p in said_or_saved if p.exists())
                    if time.time() - recent > PATIENCE:
                        raise SystemExit(f"the client hangs for {PATIENCE:.0f} s")
                    if killed.total() < kills and time.monotonic() > next_kill:
                        name = chance.choice(list(processes.commands))
                        processes.kill(name)
                        killed[name.split()[0]] += 1
                        if name == "scheduler":
                            lost = time.monotonic()
                        next_kill = time.monotonic() + chance.uniform(0, 10)
                    time.sleep(0.05)
            finally:
                for name in processes.running:
                    processes.kill(name)
            survived += ended(folder / "run") == ended(unbroken)
    shown = Table("what happened", "times")
    for what, times in [*killed.items(), *sentences.items(), ("runs that survived", survived)]:
        shown.add_row(what, str(times))
    Console(highlight=False).print(shown)
    facts = {"killed": dict(killed), "sentences": dict(sentences), "runs": runs}
    facts |= {"survived": survived, "client_ended_after_s": slowest}
    write(out, machine(1), seed=seed, seconds=time.monotonic() - started, **facts)
    if survived < runs or any(" lines" in said for said in sentences):
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
