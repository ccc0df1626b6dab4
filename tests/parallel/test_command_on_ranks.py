"""`mpiexec -n 2 minires degradation`: one run folder, one voice, and an end for all ranks."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings

import psutil
import pytest
from launching import ENVIRONMENT, MPIEXEC, PIPES, finish, needs_mpi, start

from minires.cli import main
from minires.data import digits
from minires.errors import MachineWarning
from minires.experiments.degradation import Config, Degradation
from minires.files import previous
from minires.parallel import ranks as ranks_module
from minires.runs import read_history

TINY = ("degradation", "--nets", "resnet8", "--epochs", "4", "--batch", "96", "--sync-batchnorm")
CONFIG = Config(nets=("resnet8",), epochs=4, batch=96, sync_batchnorm=True)

pytestmark = needs_mpi


def minires(ranks, *arguments):
    return start(ranks, "-m", "minires", *arguments)


def different(*commands):
    """Start one rank with each of the command lines."""
    words = [MPIEXEC]
    for command in commands:
        words += ["-n", "1", sys.executable, "-m", "minires", *map(str, command), ":"]
    return subprocess.Popen(words[:-1], env=ENVIRONMENT, text=True, **PIPES)


def processes_of(mpiexec):
    """The processes of its ranks, in their order."""
    below = psutil.Process(mpiexec.pid).children(recursive=True)
    ranks = [(p.environ().get("PMI_RANK"), p) for p in below if p.name() != "hydra_pmi_proxy"]
    return [p for _, p in sorted((int(rank), p) for rank, p in ranks if rank is not None)]


def wait_for(path, mpiexec):
    deadline = time.monotonic() + 60
    while not path.exists():
        assert mpiexec.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_run_killed_stopped_and_resumed_on_other_ranks_is_the_unbroken_one(tmp_path):
    out, expected = tmp_path / "ranks", tmp_path / "alone"
    second = previous(out / "checkpoints" / "resnet8-seed0.safetensors")
    run = minires(2, *TINY, "--out", out)
    wait_for(second, run)  # what is said of epoch 1 comes between the first checkpoint and this one
    processes_of(run)[1].send_signal(signal.SIGKILL)
    started = time.monotonic()
    code, output, _ = finish(run)
    assert code != 0
    assert time.monotonic() - started < 30
    assert output.count("epoch 1 ") == 1

    (out / ".lock").unlink(missing_ok=True)  # it is there again when the training has begun
    resumed = minires(3, "degradation", "--resume", "--out", out)
    wait_for(out / ".lock", resumed)
    time.sleep(0.3)
    processes_of(resumed)[2].send_signal(signal.SIGTERM)
    code, output, _ = finish(resumed)
    assert (code, output.count("stopped; resume with: minires degradation --resume")) == (130, 1)

    with pytest.warns(MachineWarning, match="threads was 1"):
        last = Degradation.resume({}, out, lambda config: digits())
    list(last.run())
    list(Degradation.start(CONFIG, digits(), expected).run())
    histories = [read_history(path / "history.csv") for path in (out, expected)]
    for ours, theirs in zip(*histories, strict=True):
        assert ours.iteration == theirs.iteration
        assert ours.train_loss == pytest.approx(theirs.train_loss, rel=3e-2)
        assert ours.train_error == pytest.approx(theirs.train_error, abs=5)
    assert json.loads((out / "config.json").read_text())["ranks"] == [2, 3, 1]
    text = (out / "summary.md").read_text()
    assert "on 2, then 3, then 1 ranks, batch norm over the images of all ranks" in text
    assert "has the images that it would have had, but its sums are rounded otherwise" in text


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ((*TINY, "--batch", "95"), 2, "2 ranks cannot share a batch of 95 images equally"),
        ((*TINY, "--lr", "1e30"), 1, "resnet8, seed 0: the loss is nan at iteration"),
        (("summary", "resnet20"), 2, "summary runs in one process: leave out mpiexec"),
    ],
)
def test_what_all_ranks_fail_of_is_said_once(tmp_path, arguments, code, sentence):
    out = ("--out", tmp_path / "run") if arguments[0] == "degradation" else ()
    ended, _, errors = finish(minires(2, *arguments, *out))
    assert (ended, " ".join(errors.split()).count(sentence)) == (code, 1), errors
    assert "Traceback" not in errors
    assert len(errors.splitlines()) == 1  # MPI is silent


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ((*TINY, "--seeds", "1"), "rank 1 has seeds = [1], but rank 0 has [0]; start all"),
        ((*TINY, "--until", "1"), "rank 1 has until = 1, but rank 0 has None; start all"),
        (("degradation", "--resume"), "rank 1 has resume = True, but rank 0 has False; start all"),
        (("landscape",), "rank 1 has command = landscape, but rank 0 has degradation; start all"),
        ((*TINY, "--seeds", "x"), "must be integers with commas between, got 'x'"),
        (
            (*TINY, "--dataset", "cifar10", "--data-dir", "/nowhere"),
            "there is no data folder /nowhere",
        ),
    ],
)
@pytest.mark.parametrize("others", [1, 2])
def test_what_other_ranks_fail_of_ends_all(tmp_path, other, sentence, others):
    out = ("--out", tmp_path / "run")
    code, _, errors = finish(different((*TINY, *out), *[(*other, *out)] * others))
    assert (code, errors.count(sentence)) == (2, 1), errors
    assert "Traceback" not in errors


# The command, one of whose ranks has something else than the others.
OTHER = """
import os, sys
from dataclasses import replace
import numpy
from minires import data
from minires.cli import main
from minires.parallel import ranks

rank, what = sys.argv.pop(1), sys.argv.pop(1)
if os.environ["PMI_RANK"] != rank:
    pass
elif what == "NumPy":
    numpy.__version__ = "1.0.0"
elif what == "minires":
    ranks.version = lambda: "0.0.9 (0000abcd)"
else:
    load = data.load
    data.load = lambda *of: replace(load(*of), train_images=load(*of).train_images[::-1])
main()
"""


@pytest.mark.parametrize(
    ("rank", "what", "sentence"),
    [
        (1, "NumPy", "rank 1 has NumPy = 1.0.0, but rank 0 has "),
        (0, "minires", "but rank 0 has 0.0.9 (0000abcd); start all ranks with the same options"),
        (1, "data", "rank 1 has the data's SHA-256 = "),
        (0, "data of a run", "the data is not what the run in "),
        (1, "data of a run", "the data is not what the run in "),
    ],
)
def test_a_rank_with_other_data_or_versions_ends_all(tmp_path, rank, what, sentence):
    out = tmp_path / "run"
    command = [*TINY, "--out", out]
    if what == "data of a run":
        Degradation.start(CONFIG, digits(), out)
        command = ["degradation", "--resume", "--out", out]
    code, output, errors = finish(start(2, "-c", OTHER, rank, what, *command))
    assert (code, errors.count(sentence), errors.count("minires: ")) == (2, 1, 1), errors
    assert "Traceback" not in errors + output


@pytest.mark.parametrize("stopped", [0, 1])
def test_a_rank_that_hangs_is_named_and_ended_and_leaves_its_run(stopped, tmp_path, monkeypatch):
    out = tmp_path / "run"
    monkeypatch.setitem(ENVIRONMENT, "MINIRES_RANK_TIMEOUT", "3")
    run = minires(2, *TINY, "--epochs", "40", "--out", out)
    wait_for(out / "checkpoints" / "resnet8-seed0.safetensors", run)
    ranks = processes_of(run)
    ranks[stopped].send_signal(signal.SIGSTOP)
    started = time.monotonic()
    code, _, errors = finish(run)
    assert time.monotonic() - started < 30
    sentence = f"minires: waited 3 s for rank {stopped}, which did not come; if more time is needed"
    assert code != 0  # MPICH's own for a rank that it kills, or ours
    assert errors.count(sentence) == 1, errors
    assert "Traceback" not in errors
    assert not psutil.wait_procs(ranks, timeout=10)[1]
    with pytest.warns(MachineWarning, match="threads was 1"):
        events = Degradation.resume({}, out, lambda config: digits()).run()
    assert next(events).progress.iteration > 15
    events.close()


# Rank 1 fails while what passes on its sentence to mpiexec has no time for it.
LATE = """
import os, signal, subprocess, sys, time
from minires.cli.launched import on_all_ranks

def run():
    if os.environ["PMI_RANK"] == "0":
        time.sleep(60)
    proxy = os.getppid()
    os.kill(proxy, signal.SIGSTOP)
    later = ["sh", "-c", f"sleep 2; kill -CONT {proxy}"]
    subprocess.Popen(later, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print("a sentence", file=sys.stderr)
    return 2

on_all_ranks(run)
"""


def test_no_sentence_is_lost_where_mpiexec_ends_before_it_has_read_it():
    for _ in range(3):  # without a wait it is lost in most of them
        assert finish(start(2, "-c", LATE)) == (2, "", "a sentence\n")


# The command, whose rank 1 is stopped somewhere.
STOPPED = """
import atexit, os, signal, sys
from minires.cli import main
from minires.parallel.collective import Ranks

def stop(*_):
    os.kill(os.getpid(), signal.SIGSTOP)

where = sys.argv.pop(1)
if os.environ["PMI_RANK"] == "0":
    pass
elif where == "before MPI":
    stop()
elif where == "between two messages":
    Ranks.wait = stop  # the first has left
else:
    atexit.register(stop)
main()
"""


@pytest.mark.parametrize(
    ("where", "arguments", "ended", "sentence"),
    [
        (
            "between two messages",
            ("summary", "resnet20"),
            1,
            "waited 2 s for rank 1, which",
        ),
        ("before MPI", ("summary", "resnet20"), signal.SIGALRM, "Alarm clock"),
        ("at the end", ("--version",), signal.SIGALRM, "Alarm clock"),
    ],
)
def test_a_rank_that_hangs_in_the_least_convenient_moment_ends_all(
    where, arguments, ended, sentence, monkeypatch
):
    monkeypatch.setitem(ENVIRONMENT, "MINIRES_RANK_TIMEOUT", "2")
    run = start(2, "-c", STOPPED, where, *arguments)
    code, output, errors = finish(run)
    assert (code, (output + errors).count(sentence)) == (ended, 1), errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(("rank", "said"), [("0", 1), ("1", 0)])
@pytest.mark.parametrize(
    ("timeout", "sentence"),
    [
        ("600", "pip install '.[mpi]'"),
        ("soon", "MINIRES_RANK_TIMEOUT must be a number of seconds above 0, got soon"),
        ("inf", "MINIRES_RANK_TIMEOUT must be a number of seconds above 0, got inf"),
    ],
)
def test_what_cannot_start_is_said_by_rank_0(timeout, sentence, rank, said, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    monkeypatch.setenv("MINIRES_RANK_TIMEOUT", timeout)
    monkeypatch.setenv("PMI_RANK", "1")
    monkeypatch.setenv("MPI_LOCALRANKID", rank)  # here rank 1 may be the first of its machine
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # main sets its own
    monkeypatch.setattr(sys, "argv", ["minires", "--version"])
    ranks_module.world.cache_clear()
    ranks_module.joined.cache_clear()
    with pytest.raises(SystemExit) as ended:
        main()
    ranks_module.world.cache_clear()
    ranks_module.joined.cache_clear()
    assert ended.value.code == 2
    assert " ".join(capsys.readouterr().err.split()).count(sentence) == said


def test_without_mpiexec_nothing_of_mpi_is_loaded():
    assert not {"PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK"} & os.environ.keys()
    assert ranks_module.world().size == 1
    assert "mpi4py" not in sys.modules
