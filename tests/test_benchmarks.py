"""The scripts in benchmarks/ start: what they import from minires is there."""

import re
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
README = BENCHMARKS / "README.md"

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


def test_a_captured_step_of_resnet_56_has_as_few_nodes_as_the_readme_says():
    command = [sys.executable, "gpu_nodes.py", "resnet56"]
    done = subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (nodes,) = re.findall(r"\| all \| (\d+) \|", done.stdout)
    (said,) = re.findall(r"captured step \| 751 \| (\d+) \|", README.read_text(encoding="utf-8"))
    assert int(nodes) == int(said) <= 450
    assert re.findall(r"\| on the second stream, of all \| (\d+) \|", done.stdout) == ["112"]
    assert "of the 445 nodes 112 are on the second stream" in README.read_text(encoding="utf-8")
