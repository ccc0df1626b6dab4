"""Sweeps on Dask workers: what calls get, what trainings leave, and what ends both.

One scheduler and two workers, in processes of their own, serve all tests of this file.
"""

import copy
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import sweeps_cluster as calls_made
from run_folders import same
from sweeps_cluster import Told, cluster

from minires.data import digits
from minires.errors import NonFiniteError, RunError, UsageError
from minires.experiments.degradation import Config, Degradation
from minires.experiments.gradient_flow import FlowConfig, FlowRun
from minires.experiments.gradient_flow.run import Figures
from minires.experiments.landscape import Landscape, LandscapeConfig
from minires.experiments.landscape.planes import Planes
from minires.kernels import all_threads
from minires.parallel import sweeps, sweeps_calls
from minires.parallel.sweeps import SweepConfig

pytestmark = pytest.mark.filterwarnings("ignore::minires.errors.MachineWarning")

DATA = digits()
CONFIG = Config(nets=("plain8", "resnet8"), epochs=2, batch=128)  # 48 steps of both

# A client that saves after every step; it prints a line for each event.
CLIENT = """
import sys
from pathlib import Path
from minires.data import digits
from minires.experiments.degradation import Config, Degradation
from minires.parallel.sweeps import SweepConfig
config = Config(nets=("plain8", "resnet8"), epochs=2, batch=128)
with SweepConfig(scheduler=sys.argv[1]).connected() as sweep:
    run = Degradation.start(config, digits(), Path(sys.argv[2]), sweep=sweep)
    run.autosave_interval = 0.0
    for event in run.run():
        print("event", flush=True)
"""


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    with cluster(tmp_path_factory.mktemp("dask"), workers=2) as started:
        yield started


def results(sweep, function, arguments, stop=lambda: False, name="data"):
    """What calls with these arguments return, by their index."""
    with sweep.calls(Told(name), "numpy") as calls:
        for index, given in enumerate(arguments):
            calls.submit(index, function, *given)
        return {arrival.name: arrival.result for arrival in calls.arrivals(stop)}


def test_what_calls_share_comes_to_each_worker_once_and_each_has_its_threads(workers):
    with workers.sweep() as sweep:
        found = results(sweep, calls_made.where, [()] * 6, name="once")
        again = results(sweep, calls_made.where, [()] * 4, name="once")
    assert len(found) == 6
    assert {pid for pid, _, _ in found.values()} == {p.pid for p in workers.workers}
    assert {count for _, count, _ in found.values()} == {1}
    assert {count for _, count, _ in again.values()} == {2}  # another sweep's
    assert {threads for _, _, threads in found.values()} == {1}


def test_a_killed_worker_is_replaced_by_another(workers, tmp_path):
    with workers.sweep() as sweep:
        found = results(sweep, calls_made.ends_its_process, [(str(tmp_path / "marker"),)] * 3)
    assert found == dict.fromkeys(range(3), "computed again")
    ended = [p for p in workers.workers if p.poll() is not None]
    assert len(ended) == 1
    workers.workers.remove(ended[0])
    workers.start_worker()


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        ("usage", UsageError, "^the usage of a call$"),
        (
            "bug",
            RunError,
            "^1 was not computed: ZeroDivisionError: the bug of a call; what arrived",
        ),
    ],
)
def test_a_call_that_raises_ends_all_after_the_others_have_arrived(workers, error, kind, sentence):
    with workers.sweep() as sweep, sweep.calls(Told("data"), "numpy") as calls:
        calls.submit(0, calls_made.until_stopped)
        calls.submit(1, calls_made.raises, error)
        seen = []
        with pytest.raises(kind, match=sentence):
            seen.extend(calls.arrivals(lambda: False))
        assert calls.stopped


def test_asked_to_stop_calls_end_and_no_more_begin(workers):
    began = time.monotonic()
    with workers.sweep() as sweep:
        found = results(
            sweep, calls_made.until_stopped, [()] * 9, lambda: time.monotonic() - began > 1
        )
    assert set(found.values()) == {"stopped"}
    assert len(found) <= 2  # one a worker; those behind them do not begin


# --- trainings -----------------------------------------------------------------------------------


@pytest.fixture
def _one_thread():
    with all_threads(1):  # as many as a worker has
        yield


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """A run without Dask."""
    out = tmp_path_factory.mktemp("runs") / "unbroken"
    with all_threads(1):  # as many as a worker has
        list(Degradation.start(CONFIG, DATA, out).run())
    return out


def started(out, sweep, interval=0.1):
    run = Degradation.start(CONFIG, DATA, out, sweep=sweep)
    run.autosave_interval = interval
    return run


def resume(out, sweep=None):
    return Degradation.resume({}, out, lambda config: DATA, sweep=sweep)


def test_workers_leave_the_run_that_one_process_leaves(workers, unbroken, tmp_path):
    out = tmp_path / "run"
    with workers.sweep() as sweep:
        events = list(started(out, sweep).run())
    same(out, unbroken)
    rows = [event.progress.row for event in events if event.progress.row is not None]
    assert len(rows) == 4  # each is shown once
    assert {event.trainer.net for event in events if event.progress.row is None} == {
        *("plain8", "resnet8")
    }
    assert {p.name for p in out.iterdir()} == {p.name for p in unbroken.iterdir()}
    assert json.loads((out / "config.json").read_text())["machine"]["threads"] == 1


def test_a_training_of_a_killed_worker_continues_from_its_last_piece(workers, unbroken, tmp_path):
    out = tmp_path / "run"
    with workers.sweep() as sweep:
        run = started(out, sweep, interval=0.0)
        for number, _ in enumerate(run.run()):
            if number == 10:
                workers.end(workers.workers[0])
        assert not run.stopped
    same(out, unbroken)
    workers.start_worker()


@pytest.mark.usefixtures("_one_thread")
def test_a_killed_client_is_resumed_without_dask(workers, unbroken, tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-c", CLIENT, workers.address, out]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as client:
        for _ in range(8):
            assert client.stdout.readline() == b"event\n"
        client.kill()
    run = resume(out)
    begun = {event.trainer.net: event.progress.iteration for event in reversed([*run.run()])}
    assert max(begun.values()) > 1
    same(out, unbroken)


def test_asked_to_stop_it_saves_where_it_is_and_is_resumed_on_workers(workers, unbroken, tmp_path):
    out = tmp_path / "run"
    with workers.sweep() as sweep:
        run = started(out, sweep, interval=30.0)
        seen = []
        for event in run.run(lambda: len(seen) > 0):
            seen.append(event)
        assert run.stopped
        assert list((out / "checkpoints").iterdir())
        run = resume(out, sweep)
        list(run.run())
        assert not run.stopped
        assert [event.progress for event in resume(out, sweep).run()] == [None, None]
    same(out, unbroken)


@pytest.mark.usefixtures("_one_thread")
def test_planes_cut_into_pieces_have_the_points_of_one_process(workers, unbroken, tmp_path):
    config = LandscapeConfig(nets=CONFIG.nets, points=5, images=32, run=str(unbroken))
    list(Landscape.start(config, tmp_path / "here", lambda config: DATA).run())
    out = tmp_path / "there"
    with workers.sweep() as sweep:
        walk = Landscape.start(config, out, lambda config: DATA, sweep)
        seen = []
        for event in walk.run(lambda: len(seen) > 6):
            seen.append(event)
        assert walk.stopped
        walk = Landscape.resume({}, out, lambda config: DATA, sweep)
        list(walk.run())
        assert walk.finished
        assert not walk.stopped
    for name in ("landscape.csv", "summary.md"):
        assert (out / name).read_bytes() == (tmp_path / "here" / name).read_bytes()


def test_what_was_made_from_shared_data_does_not_travel(unbroken):
    config = LandscapeConfig(nets=("plain8",), points=3, images=8, run=str(unbroken))
    weights = {"plain8": config.model("plain8", unbroken, DATA).state_dict()}
    planes, figures = Planes(config, DATA, weights), Figures(FlowConfig(only=("shattered",)), DATA)
    next(planes.points("plain8", 0, 1))
    assert len(figures["shattered"].measurement) == 14
    for used in (planes, figures):
        assert len(used._made) == 1
        assert len(copy.copy(used)._made) == 0


@pytest.mark.usefixtures("_one_thread")
def test_figures_of_the_flow_are_those_of_one_process(workers, tmp_path):
    config = FlowConfig(nets=("resnet8",), steps=1, size=8, only=("flow", "paths"))
    list(FlowRun.start(config, DATA, tmp_path / "here").run())
    with workers.sweep() as sweep:
        events = list(FlowRun.start(config, DATA, tmp_path / "there", sweep).run())
    for name in ("flow.csv", "paths.csv", "summary.md"):
        ours, theirs = (tmp_path / where / name for where in ("there", "here"))
        assert ours.read_bytes() == theirs.read_bytes()
    done = [event.done for event in events if event.figure == "flow"]
    assert done == list(range(11))


def test_two_clients_on_one_folder_are_a_sentence(workers, tmp_path):
    with workers.sweep() as sweep:
        events = started(tmp_path / "run", sweep).run()
        next(events)
        with pytest.raises(RunError, match=rf"another process \({os.getpid()}\) is at work in"):
            list(resume(tmp_path / "run", sweep).run())
        events.close()


def test_a_loss_that_is_not_finite_on_a_worker_is_raised_here(workers, tmp_path):
    config = replace(CONFIG, nets=("plain8",), lr=1e30)
    with workers.sweep() as sweep, pytest.raises(NonFiniteError, match="plain8, seed 0: the loss"):
        list(Degradation.start(config, DATA, tmp_path / "run", sweep=sweep).run())


def test_ctrl_c_ends_the_command_and_its_workers_with_a_sentence(tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "minires", "degradation", "--workers", "1", "--out", out]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, **pipes, text=True, start_new_session=True)
    while not (out / "config.json").exists():
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(1)  # so that a worker, which gets the signal too, is at work
    os.killpg(process.pid, signal.SIGINT)
    said, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert f"stopped; resume with: minires degradation --resume --out {out} --workers 1" in said
    assert errors == "stopping after this step ...\n"


# --- what cannot be meant -----------------------------------------------------------------------


def test_workers_with_another_version_or_none_are_named(workers, tmp_path):
    other = tmp_path / "other" / "minires"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("raise ImportError\n")
    (process,) = workers.start_worker(tmp_path / "other")
    try:
        with workers.sweep() as sweep, pytest.raises(UsageError) as raised:
            sweep.machine("numpy")
    finally:
        workers.end(process)
    sentence = str(raised.value)
    assert sentence.startswith("the worker tcp://127.0.0.1:")
    assert "has no minires, or another version than 0.1.0 (" in sentence
    assert sentence.endswith("install the same on both")


def test_a_worker_that_comes_late_without_minires_is_named(workers, tmp_path):
    other = tmp_path / "other" / "minires"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("raise ImportError\n")
    late, named = [], pytest.raises(UsageError, match=r"^the worker tcp:\S+ has no minires, or")
    with workers.sweep() as sweep, sweep.calls(Told("late"), "numpy") as calls, named:
        for index in range(100):
            calls.submit(index, calls_made.where, 0.1)
        for _ in calls.arrivals(lambda: False):
            late = late or workers.start_worker(tmp_path / "other")
    workers.end(late[0])


def test_a_worker_whose_code_differs_is_named(workers, monkeypatch):
    with workers.sweep() as sweep:
        monkeypatch.setattr(sweeps.sweeps_worker, "version", lambda: "0.0.9 (0000abcd)")
        with pytest.raises(UsageError, match=r"has minires 0\.1\.0 \(\w{8}\), but 0\.0\.9 \(0000a"):
            sweep.machine("numpy")
        monkeypatch.setattr(sweeps.Sweep, "check", lambda *_: None)  # it came after that
        with pytest.raises(RunError, match=r"the worker tcp.* has minires 0\.1\.0 .*, but 0\.0\.9"):
            results(sweep, calls_made.where, [()])


def test_a_worker_without_the_backend_is_named(workers):
    with workers.sweep() as sweep, pytest.raises(UsageError, match=r"worker tcp.* cannot be used"):
        sweep.machine("cupy")


def test_a_scheduler_that_is_not_there_or_has_no_workers_is_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(sweeps, "_PATIENCE", 1.0)
    for address in ("tcp://127.0.0.1:1", "nowhere://x", "tcp://127.0.0.1:x"):
        with (
            pytest.raises(RunError, match=f"no scheduler of Dask answers at {address}: "),
            SweepConfig(scheduler=address).connected(),
        ):
            pass
    said = pytest.raises(RunError, match=r"^the scheduler tcp:\S* has no workers; start some")
    with cluster(tmp_path, workers=0) as empty, empty.sweep() as sweep, said:
        sweep.machine("numpy")


def test_without_dask_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(UsageError, match=r'need Dask, .*: pip install "\.\[dask\]"'),
        SweepConfig(workers=1).connected(),
    ):
        pass
    with SweepConfig().connected() as sweep:
        assert sweep is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"workers": 0}, "workers must be at least 1, got 0"),
        ({"workers": 9999}, "one at least for each; got 9999"),
        ({"workers": 1, "scheduler": "tcp://h:1"}, "leave out one of --workers and --scheduler"),
        ({"tls_cert": "c.pem"}, "add --scheduler"),
    ],
)
def test_options_that_cannot_be_meant(options, sentence):
    with pytest.raises(UsageError, match=sentence):
        SweepConfig(**options)


def test_certificates_that_are_missing_or_cannot_be_read_are_a_sentence(tmp_path):
    address, none = "tls://127.0.0.1:1", str(tmp_path / "none.pem")
    for given, sentence in (
        ({}, f"^the scheduler {address} needs certificates: --tls-ca-file and --tls-cert"),
        ({"tls_cert": none}, "needs certificates: --tls-ca-file and"),
        (
            {"tls_cert": none, "tls_ca_file": none},
            rf"^the certificates {none}, {none} cannot be used: .*No such",
        ),
    ):
        with (
            pytest.raises(UsageError, match=sentence),
            SweepConfig(scheduler=address, **given).connected(),
        ):
            pass


# --- what hangs -----------------------------------------------------------------------------------


def test_a_training_of_a_worker_that_hangs_continues_elsewhere(workers, unbroken, tmp_path):
    out = tmp_path / "run"
    with workers.sweep() as sweep:
        for number, _ in enumerate(started(out, sweep, interval=0.0).run()):
            if number == 10:
                workers.workers[0].send_signal(signal.SIGSTOP)
    workers.end(workers.workers[0])
    same(out, unbroken)
    workers.start_worker()


@pytest.mark.usefixtures("_one_thread")
def test_a_scheduler_that_hangs_is_a_sentence_and_the_run_is_resumed(
    unbroken, tmp_path, monkeypatch
):
    out, silent = tmp_path / "run", r"^the scheduler tcp:\S+, or a worker .* not answered for 2 s"
    with cluster(tmp_path, workers=1) as own:
        with own.sweep() as sweep:
            events = started(out, sweep, interval=0.0).run()
            for _ in range(10):
                next(events)
            monkeypatch.setattr(sweeps_calls, "_SILENCE", 2.0)
            monkeypatch.setattr(sweeps, "_PATIENCE", 2.0)
            began = time.monotonic()
            own.scheduler.send_signal(signal.SIGSTOP)
            with pytest.raises(RunError, match=silent):
                list(events)
            with pytest.raises(RunError, match=silent):
                sweep.machine("numpy")
        with pytest.raises(RunError, match="it has said nothing for 2 s"), own.sweep():
            pass
        assert time.monotonic() - began < 60
    list(resume(out).run())
    same(out, unbroken)


def test_a_scheduler_that_hangs_with_a_result_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(sweeps_calls, "_TRAVEL", 1.0)
    take = sweeps_calls.Calls._end
    with cluster(tmp_path, workers=1) as own, own.sweep() as sweep:

        def too_late(calls, future):
            own.scheduler.send_signal(signal.SIGSTOP)
            return take(calls, future)

        monkeypatch.setattr(sweeps_calls.Calls, "_end", too_late)
        with pytest.raises(RunError, match=r"^the scheduler tcp:\S+, .* not answered for 1 s"):
            results(sweep, calls_made.where, [()])
        own.scheduler.send_signal(signal.SIGCONT)


def test_a_scheduler_that_was_lost_while_nobody_looked_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(sweeps, "_PATIENCE", 1.0)
    lost = pytest.raises(RunError, match="the connection to the scheduler is lost; what arrived")
    with (
        cluster(tmp_path, workers=1) as own,
        own.sweep() as sweep,
        lost,
        sweep.calls(Told("lost"), "numpy") as calls,
    ):
        for name in range(3):
            calls.submit(name, calls_made.where)
        for _ in calls.arrivals(lambda: False):
            own.scheduler.kill()
            while sweep._client.status != "closed":
                time.sleep(0.1)


# --- the last one: it ends the scheduler ---------------------------------------------------------


@pytest.mark.usefixtures("_one_thread")
def test_a_scheduler_that_is_lost_is_a_sentence_and_the_run_is_resumed(workers, unbroken, tmp_path):
    out = tmp_path / "run"
    lost = pytest.raises(RunError, match="the connection to the scheduler is lost; what arrived")
    with workers.sweep() as sweep, lost:
        for number, _ in enumerate(started(out, sweep, interval=0.0).run()):
            if number == 10:
                workers.scheduler.kill()
                workers.scheduler.wait()
    list(resume(out).run())
    same(out, unbroken)
