"""The scripts in benchmarks/ start: what they import from minires is there."""

import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"

IMPORT_ALL = """
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        library = error.name.split(".")[0]
        if library == "minires" or library in sys.argv[1:] or library in sys.stdlib_module_names:
            raise
        print(name, "needs", library)
"""


def test_every_benchmark_can_be_imported():
    names = sorted(file.stem for file in BENCHMARKS.glob("*.py"))
    command = [sys.executable, "-c", IMPORT_ALL, *names]
    done = subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(names) > 20
