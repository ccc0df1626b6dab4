"""Commands run as a user runs them: another process, its output, its exit code."""

import os
import re
import subprocess
import sys
import time

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
