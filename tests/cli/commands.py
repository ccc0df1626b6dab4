"""Commands run as a user runs them: another process, its output, its exit code."""

import os
import re
import subprocess
import sys
import time
import warnings
from typing import NamedTuple

import pytest

from minires.cli import main

ENVIRONMENT = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "COLUMNS": "200"}
COMMAND = [sys.executable, "-m", "minires"]
TINY = ("degradation", "--nets", "resnet8", "--epochs", "1")


def minires(*arguments, cwd, **environment):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


class Shown(NamedTuple):
    """The exit code of a command, and what it wrote."""

    code: int
    out: str
    err: str


def run_here(monkeypatch, capfd, *arguments, **environment):
    """The same in this process, which is quicker: for commands that start no run."""
    with monkeypatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("default")
        patch.setattr(sys, "argv", ["minires", *map(str, arguments)])
        for name, value in environment.items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
    return Shown(ended.value.code, *capfd.readouterr())


def fails(result, code, sentence):
    """The exit code and the message are those; no traceback shows."""
    assert result.returncode == code, result.stderr
    assert re.search(sentence, " ".join(result.stderr.split())), result.stderr
    assert "Traceback" not in result.stderr + result.stdout


def start(arguments, cwd):
    return subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path, process):
    deadline = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
