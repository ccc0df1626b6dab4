"""Commands run as a user runs them: their output, their exit code."""

import io
import os
import re
import subprocess
import sys
import time
import warnings
from contextlib import chdir, redirect_stderr, redirect_stdout

import pytest

from minires.backend import library
from minires.cli import main

ENVIRONMENT = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "COLUMNS": "200"}
COMMAND = [sys.executable, "-m", "minires"]
TINY = ("degradation", "--nets", "resnet8", "--epochs", "1")


def in_a_process(*arguments, cwd=".", **environment):
    """Run a command in a process of its own; return its exit code and what it wrote."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def minires(*arguments, cwd=".", **environment):
    """The same in this process, which is quicker: where nothing of the start is tested,
    and no bits are compared with those of a process, whose BLAS has one thread."""
    streams = out, err = [io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2)]
    with (
        pytest.MonkeyPatch.context() as patch,
        warnings.catch_warnings(),
        chdir(cwd),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        warnings.simplefilter("default")
        patch.setattr(sys, "argv", ["minires", *map(str, arguments)])
        patch.setattr(library, "_default", None)  # it is looked for in the environment again
        for name, value in {"COLUMNS": "200", "MPLBACKEND": "agg", **environment}.items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
    for stream in streams:
        stream.seek(0)
    return subprocess.CompletedProcess(arguments, ended.value.code, out.read(), err.read())


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
