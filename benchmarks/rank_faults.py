"""Kill ranks of a training, resume it, and compare its end with that of an undisturbed run.

    python benchmarks/rank_faults.py

Runs of resnet-8 on digits on two ranks, synchronised, which save after every training step. At a
random moment one rank, or the mpiexec that started them, gets SIGKILL; nothing may be left of a
run after `PATIENCE` seconds, or it counts as hung. After one to three kills it is resumed to its
end. Its history, except for the seconds, and its weights are compared with those of an undisturbed
run on two ranks, to the bit. Prints what happened; exits with 1 if anything did not survive.
"""

import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import psutil
import typer

from minires.runs import read_history

PATIENCE = 30.0  # seconds after a kill
RUN = """
import sys
from pathlib import Path
from minires.data import digits
from minires.experiments.degradation import Config, Degradation
from minires.parallel.ranks import world
out, ranks = Path(sys.argv[1]), world()
config = Config(nets=("resnet8",), epochs=2, batch=96, sync_batchnorm=True)
if ranks.from_first((out / "config.json").exists):
    run = Degradation.resume({}, out, lambda config: digits(), ranks=ranks)
else:
    run = Degradation.start(config, digits(), out, ranks=ranks)
run.autosave_interval = 0.0
for _ in run.run():
    pass
"""


def started(out: Path) -> subprocess.Popen[bytes]:
    """Start or resume the run in a folder on two ranks."""
    beside = str(Path(sys.executable).parent)
    mpiexec = shutil.which("mpiexec", path=beside) or shutil.which("mpiexec")
    if mpiexec is None:
        sys.exit("this needs mpiexec: pip install 'minires[mpi]'")
    nowhere = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([mpiexec, "-n", "2", sys.executable, "-c", RUN, str(out)], **nowhere)


def processes(mpiexec: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """What mpiexec has started, ranks last."""
    try:
        return psutil.Process(mpiexec.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def killed(run: subprocess.Popen[bytes], chance: random.Random) -> bool:
    """Kill a rank or mpiexec after a while; return whether nothing was left in time."""
    time.sleep(chance.uniform(0.5, 6))
    below = processes(run)
    ranks = [p for p in below if "hydra" not in p.name()]
    victim = chance.choice([*ranks, psutil.Process(run.pid)]) if ranks else None
    if victim is not None:
        victim.kill()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if run.poll() is not None and not psutil.wait_procs(below, timeout=0.1)[1]:
            return True
        time.sleep(0.1)
    for process in psutil.wait_procs(below, timeout=0)[1]:
        process.kill()
    run.kill()
    return False


def end_of(out: Path) -> tuple[list[object], bytes]:
    """The history of a run, without the seconds, and its weights."""
    rows = [replace(row, seconds=0) for row in read_history(out / "history.csv")]
    return rows, (out / "weights" / "resnet8-seed0.safetensors").read_bytes()


def main(kills: Annotated[int, typer.Option(help="How many.")] = 30, seed: int = 0) -> None:
    """Kill and resume, and compare."""
    chance, hung, wrong, done = random.Random(seed), 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        started(Path(folder, "undisturbed")).wait()
        expected = end_of(Path(folder, "undisturbed"))
        number = 0
        while done < kills:
            number += 1
            out = Path(folder, str(number))
            for _ in range(chance.randint(1, 3)):
                hung += not killed(started(out), chance)
                done += 1
            started(out).wait(timeout=600)
            wrong += end_of(out) != expected
            print(f"{done} kills, {number} runs: {hung} hung, {wrong} ended otherwise", flush=True)
    sys.exit(bool(hung or wrong))


if __name__ == "__main__":
    typer.run(main)
