"""Outputs that are closed, full or not read end no run unsaved, and no command with a traceback."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
from commands import COMMAND, ENVIRONMENT, wait_for

from minires.cli.training import stop_on_signal
from minires.runs import RunFolder
from minires.runs.checkpoint import read_checkpoint

FULL = "/dev/full"
pytestmark = pytest.mark.skipif(not os.path.exists(FULL), reason=f"{FULL} is Linux's")
LONG = ("degradation", "--nets", "resnet8", "--epochs", "100", "--out", "run")


@contextmanager
def dead_pipe():
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@contextmanager
def full_pipe():
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, bytes(4096))
    except BlockingIOError:
        os.set_blocking(writing, True)
    yield writing
    os.close(writing)
    os.close(reading)


@contextmanager
def full_disk():
    with open(FULL, "wb") as file:
        yield file


def run(*arguments, cwd, **streams):
    """Start a command; a stream that is None is closed."""
    closed = [number for number, name in ((1, "stdout"), (2, "stderr")) if streams[name] is None]
    return subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=ENVIRONMENT,
        preexec_fn=lambda: [os.close(number) for number in closed],
        **streams,
    )


def is_saved_and_released(folder):
    """There is a checkpoint that is whole, and no lock."""
    _, facts = read_checkpoint(folder / "checkpoints" / "resnet8-seed0.safetensors")
    assert facts["iteration"] > 0
    assert not (folder / ".lock").exists()
    assert RunFolder.open(folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_stopped_with_stderr_closed_a_run_is_saved(tmp_path, number):
    process = run(*LONG, cwd=tmp_path, stdout=subprocess.PIPE, stderr=None)
    process.stdout.readline()  # an epoch has ended
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"stopped; resume with: minires degradation --resume --out run\n" in output
    is_saved_and_released(tmp_path / "run")


@pytest.mark.parametrize("output", [dead_pipe, full_pipe])
def test_stopped_with_stderr_broken_a_run_is_saved(tmp_path, output):
    with output() as stderr:
        process = run(*LONG, cwd=tmp_path, stdout=subprocess.PIPE, stderr=stderr)
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"stopped; resume with: minires degradation --resume --out run\n" in rest
    is_saved_and_released(tmp_path / "run")


@pytest.mark.parametrize("output", [dead_pipe, full_disk])
def test_an_output_that_breaks_stops_the_run_and_saves_it(tmp_path, output):
    with output() as stdout:
        process = run(*LONG, cwd=tmp_path, stdout=stdout, stderr=subprocess.PIPE)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    text = b" ".join(errors.split())
    assert text.startswith(b"minires: the output cannot be written: ")
    assert text.endswith(b"; resume with: minires degradation --resume --out run")
    is_saved_and_released(tmp_path / "run")


def test_stopped_with_both_broken_a_run_is_saved_in_silence(tmp_path):
    """As by Ctrl-C in `minires ... 2>&1 | tee log`, which ends tee as well."""
    with dead_pipe() as pipe:
        process = run(*LONG, cwd=tmp_path, stdout=pipe, stderr=pipe)
        wait_for(tmp_path / "run" / "checkpoints", process)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) in (1, 130)  # 1 where the output broke before
    is_saved_and_released(tmp_path / "run")


@pytest.mark.parametrize(
    ("command", "code"), [("summary resnet20", 1), ("degradation --nets plain21", 2)]
)
def test_no_command_ends_with_a_traceback(tmp_path, command, code):
    with full_disk() as stdout:
        process = run(*command.split(), cwd=tmp_path, stdout=stdout, stderr=subprocess.PIPE)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert errors.startswith(b"minires: ")
    assert b"Traceback" not in errors
    assert b"Exception ignored" not in errors


def test_a_message_that_cannot_be_written_still_stops_after_the_step(monkeypatch):
    def fails(*arguments):
        raise OSError("no")

    monkeypatch.setattr("minires.cli.training.os.write", fails)
    with stop_on_signal() as stopped:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopped()


@pytest.mark.parametrize("ignored", [False, True])
def test_a_closed_terminal_stops_a_run_unless_that_is_ignored_as_under_nohup(ignored):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        with stop_on_signal() as stopped:
            handled = signal.getsignal(signal.SIGHUP)
            assert (handled == signal.SIG_IGN) == ignored
            os.kill(os.getpid(), signal.SIGHUP)
            assert stopped() != ignored
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_closed_stream_is_not_the_next_file(tmp_path):
    """Otherwise what is written to stderr would go into a file of the run."""
    code = (
        "import os, sys; from minires.cli import app; from importlib import import_module\n"
        "import_module('minires.cli.app')._open_closed_streams()\n"
        "print(os.open('file', os.O_CREAT | os.O_WRONLY))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        preexec_fn=lambda: [os.close(0), os.close(2)],
    )
    assert int(process.communicate()[0]) > 2
