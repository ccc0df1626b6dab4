"""Starting ranks: mpiexec as a user has it."""

import os
import shutil
import subprocess
import sys

import pytest

MPIEXEC = shutil.which("mpiexec", path=f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}")
ENVIRONMENT = {**os.environ, "COLUMNS": "200"}
PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
PATIENCE = 120  # seconds; what hangs fails

needs_mpi = pytest.mark.skipif(MPIEXEC is None, reason="mpiexec is missing")


def start(ranks, *arguments):
    """Start `python ARGUMENTS` on so many ranks."""
    return subprocess.Popen(
        [MPIEXEC, "-n", str(ranks), sys.executable, *map(str, arguments)],
        env=ENVIRONMENT,
        text=True,
        **PIPES,
    )


def finish(process):
    """Return (exit code, output, errors) of what `start` has started, at its end."""
    try:
        output, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    return process.returncode, output, errors
