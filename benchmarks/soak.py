"""Kill, stop and damage runs, and compare how they end with an undisturbed run, to the bit.

    python benchmarks/soak.py

Runs of plain-8 and resnet-8 on digits are killed at random moments and resumed, stopped by signals,
resumed with damaged files, put on a full disk and on a read-only one, and resumed by two processes
at a time. Each time the history, except for the seconds, and the weights are compared with those of
an undisturbed run, to the bit. Last, the memory of a training after 1,000 steps is compared with
that after 100. Prints a table and writes benchmarks/results/soak.json; exits with 1 if anything did
not survive. The disks are small ones in memory, which only root may mount.
"""

import random
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from common import HERE, RESULTS, machine, write
from rich.console import Console
from rich.table import Table
from survivor import start_or_resume

from minires.data import digits
from minires.errors import DamageWarning
from minires.runs import read_history

DATA = digits()
FILLER = "filler"

# What can happen to the bytes of a file.
DAMAGES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "cut short": lambda b, chance: b[: chance.randrange(len(b))],
    "zeroed": lambda b, chance: bytes(len(b)),
    "a block zeroed": lambda b, chance: _overwritten(b, bytes(min(512, len(b) // 4)), chance),
    "altered": lambda b, chance: _overwritten(b, chance.randbytes(8), chance),
    "empty": lambda b, chance: b"",
}

# A training that prints the resident memory of its process, in bytes, after every 100 steps.
STEPS = """
import gc
from pathlib import Path
from minires import manual_seed
from minires.data import digits
from minires.models import cifar_net
from minires.train import Recipe, Trainer
recipe = Recipe(batch_size=32, lr=0.01, iterations=1001)
manual_seed(0)
trainer = Trainer("resnet8", cifar_net("resnet8", 10, 1), digits(), recipe, recipe.schedule(8), 0)
for progress in trainer.run():
    if progress.iteration % 100 == 0:
        gc.collect()
        lines = Path("/proc/self/status").read_text().splitlines()
        print(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS")))
"""


class Outcome(NamedTuple):
    """How often something happened to a run, how often the run survived it, and a remark."""

    times: int
    survived: int
    note: str = ""


def _overwritten(content: bytes, by: bytes, chance: random.Random) -> bytes:
    i = chance.randrange(len(content) - len(by))
    return content[:i] + by + content[i + len(by) :]


class Soak:
    """One soak: its folder, its random numbers, and what every run must end with."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.chance = random.Random(seed)
        self.expected = self.ended(folder / "unbroken")

    def ended(self, out: Path) -> tuple[list[Any], dict[str, bytes]]:
        """Finish the run in a folder; return its history, without the seconds, and its weights."""
        for _ in start_or_resume(out, DATA).run():
            pass
        rows = [replace(row, seconds=0) for row in read_history(out / "history.csv")]
        return rows, {path.name: path.read_bytes() for path in (out / "weights").iterdir()}

    def survived(self, out: Path) -> bool:
        """Return whether the run in a folder ends as the undisturbed one."""
        return self.ended(out) == self.expected

    def halfway(self, out: Path) -> None:
        """Start a run in a folder, and stop it after some steps of the second net."""
        last = self.chance.randint(95, 160)
        steps = iter(range(1, last + 1))
        for _ in start_or_resume(out, DATA).run(lambda: next(steps) == last):
            pass

    # --- what happens ---------------------------------------------------------------------------

    def kills(self, count: int, deadline: float) -> Outcome:
        """SIGKILL at random moments: before the first step, after it, while it writes."""
        done = runs = survived = writing = 0
        while done < count and time.monotonic() < deadline:
            out = self.folder / f"killed {runs}"
            inside = 0
            while done + inside < count and time.monotonic() < deadline:
                if not self._kill(out):
                    break
                inside += 1
                writing += any(out.rglob("*.partial"))
            runs += 1
            done += inside
            survived += inside * self.survived(out)
        return Outcome(done, survived, f"in {runs} runs; {writing} times while it wrote a file")

    def _kill(self, out: Path) -> bool:
        """Kill a run after a while; return whether it was still running."""
        with survivor(out) as process:
            for _ in range(self.chance.choice((0, 1, 3, 10, 30))):
                process.stdout.readline()
            time.sleep(self.chance.uniform(0, 0.2))
            process.kill()
            return process.wait() == -signal.SIGKILL

    def signals(self, count: int) -> Outcome:
        """SIGTERM and SIGINT at random moments: at most one more step, and a checkpoint."""
        survived, slowest = 0, 0.0
        for number in range(count):
            out = self.folder / f"stopped {number}"
            with survivor(out) as process:
                for _ in range(self.chance.randint(1, 100)):
                    process.stdout.readline()
                asked = time.monotonic()
                process.send_signal(self.chance.choice((signal.SIGTERM, signal.SIGINT)))
                output, _ = process.communicate()
                slowest = max(slowest, time.monotonic() - asked)
            steps_after = sum(float(moment) > asked for moment in output.split())
            survived += steps_after <= 1 and process.returncode == 0 and self.survived(out)
        return Outcome(count, survived, f"ended after {slowest:.2f} s at most")

    def damage(self, count: int) -> Outcome:
        """The last checkpoint or the history is damaged, and the run is resumed."""
        survived, warned = 0, 0
        for number in range(count):
            out = self.folder / f"damaged {number}"
            self.halfway(out)
            name = self.chance.choice(("checkpoints/resnet8-seed0.safetensors", "history.csv"))
            how = self.chance.choice(list(DAMAGES))
            content = (out / name).read_bytes()
            (out / name).write_bytes(DAMAGES[how](content, self.chance))
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                survived += self.survived(out)
            warned += any(issubclass(w.category, DamageWarning) for w in caught)
        return Outcome(count, survived, f"{warned} times with a warning")

    def full_disk(self, count: int) -> Outcome:
        """A small disk that is filled at a random moment, and emptied afterwards."""
        survived = 0
        for _ in range(count):
            with small_disk() as disk:
                if disk is None:
                    return Outcome(0, 0, "skipped: no disk may be mounted here")
                with survivor(disk / "run") as process:
                    for _ in range(self.chance.randint(1, 100)):
                        process.stdout.readline()
                    fill(disk)
                    stopped = stops_with(process, "No space left on device")
                (disk / FILLER).unlink()
                survived += stopped and self.survived(disk / "run")
        return Outcome(count, survived, "stopped with one line")

    def read_only(self, count: int) -> Outcome:
        """A run is resumed while its disk is read-only, and again when it is writable."""
        survived = 0
        for _ in range(count):
            with small_disk() as disk:
                if disk is None:
                    return Outcome(0, 0, "skipped: no disk may be mounted here")
                self.halfway(disk / "run")
                remount(disk, "ro")
                with survivor(disk / "run") as process:
                    stopped = stops_with(process, "Read-only file system")
                remount(disk, "rw")
                survived += stopped and self.survived(disk / "run")
        return Outcome(count, survived, "stopped with one line")

    def second(self, count: int) -> Outcome:
        """A second process resumes a run while the first one trains it."""
        survived = 0
        for number in range(count):
            out = self.folder / f"twice {number}"
            with survivor(out) as first:
                first.stdout.readline()
                with survivor(out) as late:
                    stopped = stops_with(late, f"another process ({first.pid}) is at work in")
                first.communicate()
            survived += stopped and self.survived(out)
        return Outcome(count, survived, "the second stops with one line")


@contextmanager
def survivor(out: Path) -> Iterator[Any]:
    """Inside, a process trains in a folder; it is killed at the end, if it is still running."""
    process = subprocess.Popen(
        [sys.executable, HERE / "survivor.py", out],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def stops_with(process: Any, words: str) -> bool:
    """Return whether a process exits with 1 and prints one line with these words."""
    _, errors = process.communicate()
    return process.returncode == 1 and len(errors.splitlines()) == 1 and words in errors


@contextmanager
def small_disk(megabytes: int = 8) -> Iterator[Path | None]:
    """Inside, a small disk in memory is mounted; None if it may not be."""
    with tempfile.TemporaryDirectory() as mount_point:
        size = f"size={megabytes}m"
        mount = ["mount", "-t", "tmpfs", "-o", size, "minires-soak", mount_point]
        if sys.platform != "linux" or subprocess.run(mount, capture_output=True).returncode:
            yield None
            return
        try:
            yield Path(mount_point)
        finally:
            subprocess.run(["umount", mount_point], check=True)


def fill(disk: Path) -> None:
    """Write until the disk is full."""
    with open(disk / FILLER, "wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return


def remount(disk: Path, how: str) -> None:
    """Make a disk read-only ("ro") or writable ("rw")."""
    subprocess.run(["mount", "-o", f"remount,{how}", disk], check=True)


def memory() -> list[float]:
    """Return the resident memory of a training after 100, 200, ... 1,000 steps, in MB."""
    command = [sys.executable, "-c", STEPS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [int(line) / 1e6 for line in done.stdout.split()]


def main(
    kills: Annotated[int, typer.Option(help="SIGKILLs.")] = 100,
    others: Annotated[int, typer.Option(help="Of each other disturbance.")] = 10,
    minutes: Annotated[float, typer.Option(help="Time limit of the kills.")] = 10,
    seed: Annotated[int, typer.Option(help="Of the random numbers.")] = 0,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "soak.json",
) -> None:
    """Disturb runs in every way, and count how many survive."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), seed)
        outcomes = {
            "SIGKILL": soak.kills(kills, started + 60 * minutes),
            "SIGTERM or Ctrl-C": soak.signals(others),
            "a damaged file": soak.damage(others),
            "a full disk": soak.full_disk(others),
            "a read-only disk": soak.read_only(others),
            "a second process": soak.second(others),
        }
    resident = memory()
    shown = Table("what happened", "times", "survived", "", title_justify="left")
    for name, outcome in outcomes.items():
        shown.add_row(name, str(outcome.times), str(outcome.survived), outcome.note)
    console = Console(highlight=False)
    console.print(shown)
    console.print(
        f"memory after 100 steps {resident[0]:.1f} MB, after 1,000 {resident[-1]:.1f} MB, "
        f"between {min(resident):.1f} and {max(resident):.1f} MB"
    )
    counts = {name: outcome._asdict() for name, outcome in outcomes.items()}
    seconds = time.monotonic() - started
    write(out, machine(1), seed=seed, seconds=seconds, outcomes=counts, memory_mb=resident)
    grown = resident[-1] > 1.1 * resident[0]  # it varies by a few percent
    if grown or any(outcome.survived < outcome.times for outcome in outcomes.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
