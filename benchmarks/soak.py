"""Does a run survive whatever happens to it, and end with the weights it would have had?

    python benchmarks/soak.py

Runs of plain-8 and resnet-8 on digits are killed at random moments and gone on with, stopped by
signals, found with damaged files, on a full disk and on a read-only one, and asked for by two
processes at a time. Each time the history, but for the seconds, and the weights are held against
those of a run that nothing happened to, to the bit. Last, the memory of a training after 1,000
steps beside that after 100. Prints a table and writes benchmarks/results/soak.json; ends with 1 if
anything did not survive. Disks are small ones in memory, which root alone may mount.
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
from survivor import begun

from minires.data import digits
from minires.errors import DamageWarning
from minires.runs import read_history

DATA = digits()
FILLER = "filler"

# Anything may be done to the bytes of a file.
DAMAGES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "cut short": lambda b, chance: b[: chance.randrange(len(b))],
    "zeroed": lambda b, chance: bytes(len(b)),
    "a block zeroed": lambda b, chance: _overwritten(b, bytes(min(512, len(b) // 4)), chance),
    "altered": lambda b, chance: _overwritten(b, chance.randbytes(8), chance),
    "empty": lambda b, chance: b"",
}

# Steps of a training, with the resident memory of the process after each hundred, in bytes.
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
    """How often something happened to a run, how often it survived, and what else is to say."""

    times: int
    survived: int
    note: str = ""


def _overwritten(content: bytes, by: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content) - len(by))
    return content[:place] + by + content[place + len(by) :]


class Soak:
    """The places and the chance of one soak, and what a run must end with."""

    def __init__(self, place: Path, seed: int) -> None:
        self.place = place
        self.chance = random.Random(seed)
        self.expected = self.ended(place / "unbroken")

    def ended(self, out: Path) -> tuple[list[Any], dict[str, bytes]]:
        """The history, but for the seconds, and the weights of the run in a folder, finished."""
        for _ in begun(out, DATA).run():
            pass
        rows = [replace(row, seconds=0) for row in read_history(out / "history.csv")]
        return rows, {path.name: path.read_bytes() for path in (out / "weights").iterdir()}

    def survived(self, out: Path) -> bool:
        """Whether the run in a folder ends as the unbroken one."""
        return self.ended(out) == self.expected

    def halfway(self, out: Path) -> None:
        """A run in a folder, stopped after some steps of the second net."""
        last = self.chance.randint(95, 160)
        steps = iter(range(1, last + 1))
        for _ in begun(out, DATA).run(lambda: next(steps) == last):
            pass

    # --- what happens ---------------------------------------------------------------------------

    def kills(self, count: int, deadline: float) -> Outcome:
        """SIGKILL at random moments: before the first step, after it, while it writes."""
        done = runs = survived = writing = 0
        while done < count and time.monotonic() < deadline:
            out = self.place / f"killed {runs}"
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
        """Let a run go on for a while, and kill it; whether it was not quicker."""
        with survivor(out) as process:
            for _ in range(self.chance.choice((0, 1, 3, 10, 30))):
                process.stdout.readline()
            time.sleep(self.chance.uniform(0, 0.2))
            process.kill()
            return process.wait() == -signal.SIGKILL

    def signals(self, count: int) -> Outcome:
        """SIGTERM and SIGINT at random moments: one step more at most, and a checkpoint."""
        survived, slowest = 0, 0.0
        for number in range(count):
            out = self.place / f"stopped {number}"
            with survivor(out) as process:
                for _ in range(self.chance.randint(1, 100)):
                    process.stdout.readline()
                asked = time.monotonic()
                process.send_signal(self.chance.choice((signal.SIGTERM, signal.SIGINT)))
                output, _ = process.communicate()
                slowest = max(slowest, time.monotonic() - asked)
            steps_after = sum(float(moment) > asked for moment in output.split())
            survived += steps_after <= 1 and process.returncode == 0 and self.survived(out)
        return Outcome(count, survived, f"gone after {slowest:.2f} s at most")

    def damage(self, count: int) -> Outcome:
        """The last checkpoint or the history is found damaged."""
        survived, found = 0, 0
        for number in range(count):
            out = self.place / f"damaged {number}"
            self.halfway(out)
            name = self.chance.choice(("checkpoints/resnet8-seed0.safetensors", "history.csv"))
            how = self.chance.choice(list(DAMAGES))
            content = (out / name).read_bytes()
            (out / name).write_bytes(DAMAGES[how](content, self.chance))
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                survived += self.survived(out)
            found += any(issubclass(w.category, DamageWarning) for w in said)
        return Outcome(count, survived, f"{found} times with a warning")

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
                    stopped = in_a_sentence(process, "No space left on device")
                (disk / FILLER).unlink()
                survived += stopped and self.survived(disk / "run")
        return Outcome(count, survived, "stopped with a sentence")

    def read_only(self, count: int) -> Outcome:
        """A run is asked to go on while its disk is read-only, and again when it is not."""
        survived = 0
        for _ in range(count):
            with small_disk() as disk:
                if disk is None:
                    return Outcome(0, 0, "skipped: no disk may be mounted here")
                self.halfway(disk / "run")
                remount(disk, "ro")
                with survivor(disk / "run") as process:
                    stopped = in_a_sentence(process, "Read-only file system")
                remount(disk, "rw")
                survived += stopped and self.survived(disk / "run")
        return Outcome(count, survived, "refused with a sentence")

    def second(self, count: int) -> Outcome:
        """Another process is asked to go on with a run that is being trained."""
        survived = 0
        for number in range(count):
            out = self.place / f"twice {number}"
            with survivor(out) as first:
                first.stdout.readline()
                with survivor(out) as late:
                    refused = in_a_sentence(late, f"another process ({first.pid}) is at work in")
                first.communicate()
            survived += refused and self.survived(out)
        return Outcome(count, survived, "the second is refused by name")


@contextmanager
def survivor(out: Path) -> Iterator[Any]:
    """A process that trains in a folder; killed at the end, if it is still there."""
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


def in_a_sentence(process: Any, words: str) -> bool:
    """Whether a process ends with 1, and with one sentence that has these words."""
    _, errors = process.communicate()
    return process.returncode == 1 and len(errors.splitlines()) == 1 and words in errors


@contextmanager
def small_disk(megabytes: int = 8) -> Iterator[Path | None]:
    """A disk of its own, in memory; None where none may be mounted."""
    with tempfile.TemporaryDirectory() as place:
        size = f"size={megabytes}m"
        mount = ["mount", "-t", "tmpfs", "-o", size, "minires-soak", place]
        if sys.platform != "linux" or subprocess.run(mount, capture_output=True).returncode:
            yield None
            return
        try:
            yield Path(place)
        finally:
            subprocess.run(["umount", place], check=True)


def fill(disk: Path) -> None:
    """Write until there is no room left."""
    with open(disk / FILLER, "wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return


def remount(disk: Path, how: str) -> None:
    """Make a disk read-only ("ro"), or not ("rw")."""
    subprocess.run(["mount", "-o", f"remount,{how}", disk], check=True)


def memory() -> list[float]:
    """The resident memory of a training after 100, 200, ... 1,000 steps, in MB."""
    command = [sys.executable, "-c", STEPS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [int(line) / 1e6 for line in done.stdout.split()]


def main(
    kills: Annotated[int, typer.Option(help="SIGKILLs.")] = 100,
    others: Annotated[int, typer.Option(help="Of everything else.")] = 10,
    minutes: Annotated[float, typer.Option(help="The longest that killing may take.")] = 10,
    seed: Annotated[int, typer.Option(help="Of the chance.")] = 0,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "soak.json",
) -> None:
    """Let everything happen to runs."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        soak = Soak(Path(place), seed)
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
    facts = {name: outcome._asdict() for name, outcome in outcomes.items()}
    seconds = time.monotonic() - started
    write(out, machine(1), seed=seed, seconds=seconds, outcomes=facts, memory_mb=resident)
    grown = resident[-1] > 1.1 * resident[0]  # it rises and falls by some hundredths
    if grown or any(outcome.survived < outcome.times for outcome in outcomes.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
