"""Runs survive kills at random moments, signals, damage, full disks and second processes.

`benchmarks/soak.py` does the same for longer.
"""

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
from itertools import pairwise

import pytest
from run_folders import same

from minires import files
from minires.cli.training import stop_on_signal
from minires.data import digits
from minires.errors import RunError
from minires.experiments.degradation import Config, Degradation

DATA = digits()
CONFIG = Config(nets=("plain8", "resnet8"), epochs=2, batch=128)
STEPS = 48  # of both nets

# A run that saves after every step, so that a kill often comes while it writes.
CHILD = """
import sys
from pathlib import Path
from minires.data import digits
from minires.experiments.degradation import Config, Degradation
out = Path(sys.argv[1])
if (out / "config.json").exists():
    run = Degradation.resume({}, out, lambda config: digits())
else:
    run = Degradation.start(Config(nets=("plain8", "resnet8"), epochs=2, batch=128), digits(), out)
run.autosave_interval = 0.0
for event in run.run():
    print("step", flush=True)
"""

# A training in its own process; prints the bytes allocated by Python and NumPy after some steps.
TRAINING = """
import gc, tracemalloc
from minires import manual_seed
from minires.data import digits
from minires.models import cifar_net
from minires.train import Recipe, Trainer
recipe = Recipe(batch_size=32, lr=0.01, iterations=600)
manual_seed(0)
trainer = Trainer("resnet8", cifar_net("resnet8", 10, 1), digits(), recipe, recipe.schedule(8), 0)
tracemalloc.start()
for progress in trainer.run():
    if progress.iteration in (100, 235, 370, 505):  # all 10 steps into an epoch
        gc.collect()  # unreachable objects
        print(tracemalloc.get_traced_memory()[0])
    if progress.iteration == 505:
        break
"""


def resume(out):
    return Degradation.resume({}, out, lambda config: DATA)


def finish(run):
    return list(run.run())


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    out = tmp_path_factory.mktemp("survival") / "unbroken"
    assert len(finish(Degradation.start(CONFIG, DATA, out))) == STEPS
    return out


def minires(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "minires", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


# --- kills and signals --------------------------------------------------------------------------


def test_killed_at_random_moments_a_run_ends_with_the_same_bits(unbroken, tmp_path):
    chance = random.Random(0)
    out = tmp_path / "run"
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", CHILD, out], stdout=subprocess.PIPE)
        for _ in range(chance.randint(1, 8)):
            assert process.stdout.readline() == b"step\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0, 0.05))
        process.kill()
        process.communicate()
    finish(resume(out))
    same(out, unbroken)
    assert not list(out.rglob(".*"))  # no lock, and nothing half-written


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda s: s.name)
def test_a_signal_stops_within_a_step_and_leaves_a_checkpoint(unbroken, tmp_path, number):
    out = tmp_path / "run"
    run = Degradation.start(CONFIG, DATA, out)
    steps = []
    with stop_on_signal() as stopped:
        for event in run.run(stopped):
            steps.append((event.trainer.net, event.progress.iteration))
            if len(steps) == 30:
                os.kill(os.getpid(), number)
    assert run.stopped
    assert steps[29:] == [("resnet8", 6), ("resnet8", 7)]
    after = (event.progress for event in finish(resume(out)))
    assert next(filter(None, after)).iteration == 8
    same(out, unbroken)


# --- damage -------------------------------------------------------------------------------------


def test_on_the_command_line_damage_is_a_sentence(unbroken, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(unbroken, out)
    path = out / "checkpoints" / "resnet8-seed0.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    (out / "history.csv").write_bytes(b"")
    result = minires("plot", out)
    assert result.returncode == 0
    assert result.stderr == (
        f"minires: {out}/history.csv is damaged; history.previous.csv is used instead\n"
    )
    result = minires("degradation", "--resume", "--out", out)
    assert result.returncode == 0
    first, second = result.stderr.splitlines()
    assert first.startswith(f"minires: the checkpoint {path} cannot be used: ")
    assert second == f"minires: {out}/history.csv is damaged; it is written anew"
    same(out, unbroken)


def test_on_the_command_line_two_damaged_checkpoints_are_a_sentence(unbroken, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(unbroken, out)
    for path in (out / "checkpoints").iterdir():
        path.write_bytes(bytes(path.stat().st_size))
    result = minires("degradation", "--resume", "--out", out)
    assert result.returncode == 1
    assert "remove both to train this net again from its start" in result.stderr
    assert "Traceback" not in result.stderr


# --- disks that are full or may not be written --------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO], ids=errno.errorcode.get)
def test_a_disk_that_fails_stops_the_run_and_leaves_the_last_checkpoint(
    unbroken, tmp_path, monkeypatch, number
):
    out = tmp_path / "run"
    run = Degradation.start(CONFIG, DATA, out)

    def fails(path, mode, **how):
        if path.name.startswith(".resnet8"):
            raise OSError(number, os.strerror(number))
        return open(path, mode, **how)

    monkeypatch.setattr(files, "open", fails, raising=False)
    with pytest.raises(RunError, match=rf"resnet8.* cannot be written: {os.strerror(number)}"):
        finish(run)
    monkeypatch.undo()
    finish(resume(out))
    same(out, unbroken)


def test_a_folder_that_may_not_be_written_is_a_sentence(unbroken, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    out = tmp_path / "run"
    shutil.copytree(unbroken, out)
    out.chmod(0o500)
    result = minires("degradation", "--resume", "--out", out)
    out.chmod(0o700)
    assert result.returncode == 1
    assert "cannot be written: Permission denied" in result.stderr
    assert "Traceback" not in result.stderr


# --- two processes, and a long time -------------------------------------------------------------


def test_a_second_process_on_a_run_is_a_sentence(unbroken, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(unbroken, out)
    path = out / "checkpoints" / "resnet8-seed0.safetensors"
    path.unlink()  # so that there is something left to train
    events = resume(out).run()
    next(events)
    result = minires("degradation", "--resume", "--out", out)
    assert result.returncode == 1
    assert f"another process ({os.getpid()}) is at work in {out}" in result.stderr
    list(events)
    same(out, unbroken)


def test_memory_does_not_grow_with_the_steps():
    done = subprocess.run(
        [sys.executable, "-c", TRAINING], capture_output=True, text=True, check=True
    )
    sizes = list(map(int, done.stdout.split()))
    assert len(sizes) == 4
    # Each time three rows of the history more. An empty array kept from each step would be 15,000
    # bytes each time; threads that meet differently leave some kB behind, but not every time.
    assert min(late - early for early, late in pairwise(sizes)) < 10_000
