"""The scripts in benchmarks/ start: what they import from minires is there."""

import importlib
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

import minires

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
    assert "of the 390 nodes 112 are on the second stream" in README.read_text(encoding="utf-8")


@pytest.fixture
def benchmark(monkeypatch):
    """A function that imports one."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


def test_an_engine_finds_minires_where_it_is_on_the_path_alone(benchmark, monkeypatch):
    def none_is_installed(library):
        raise PackageNotFoundError

    engines = benchmark("engines.__main__")
    monkeypatch.setattr(engines, "version", none_is_installed)
    assert engines._version("minires") == minires.__version__
    monkeypatch.setenv("PYTHONPATH", ".")
    assert benchmark("processes")._environment(1)["PYTHONPATH"] == os.getcwd()


def test_an_engine_that_dies_in_the_profiler_keeps_its_times(benchmark, monkeypatch):
    class Dies:
        def __init__(self, *_):
            pass

        def warm_up(self, steps):
            raise benchmark("processes").StoppedError

        def close(self):
            pass

    step = benchmark("gpu_train_step")
    monkeypatch.setattr(step, "Engine", Dies)
    assert step.looked_into("minires-graph", "resnet20", 2, sys.executable) == {}


def test_what_the_script_for_a_gpu_runs_is_there():
    script = (BENCHMARKS / "gpu.sh").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:benchmarks|tests)/[\w/]+\.py", script))
    assert len(named) == 3
    assert all((BENCHMARKS.parent / name).exists() for name in named)


@pytest.mark.skipif(not shutil.which("timeout"), reason="gpu.sh needs bash and GNU's timeout")
@pytest.mark.parametrize(
    ("script", "said", "code"),
    [
        ("echo '12 passed in 9.87s'", "of CUDA graphs 12 passed in 9.87s; all others 12 passed", 0),
        ("echo .F; echo '1 failed, 2 passed in 1s'; exit 1", "graphs 1 failed, 2 passed in 1s;", 1),
        ("case $* in *-n*) exit 124;; esac; echo '9 passed'", "not done within 400 s; log:", 1),
        (
            "case $* in *-n*) echo '9 passed';; *) exit 4;; esac",
            "ended by .* code 4; all .* 9",
            1,
        ),
    ],
)
def test_the_script_for_a_gpu_ends_its_tests_with_one_sentence(tmp_path, script, said, code):
    pretended = tmp_path / "python3"  # in place of pytest
    summed_up = 'case "$*" in *" -q "*) exit;; esac'  # pyproject.toml has one -q already
    pretended.write_text(f"#!/bin/sh\n{summed_up}\n{script}\n", encoding="utf-8")
    pretended.chmod(0o755)
    done = subprocess.run(
        ["bash", BENCHMARKS / "gpu.sh", "tests", tmp_path / "out"],
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    last = done.stdout.splitlines()[-1]
    assert last.startswith("Tests marked gpu: ")
    assert re.search(said, last)
    assert last.endswith(f"log: {tmp_path / 'out' / 'tests.txt'}")
    assert done.returncode == code
