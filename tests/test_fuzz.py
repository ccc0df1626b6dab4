"""Everything read from outside: altered inputs are read or refused by name, and nothing else.

`benchmarks/fuzz.py` asks the same of many more inputs. Here it is seen, too, that it would notice.
"""

import os
import subprocess
import sys
from pathlib import Path

import fuzzing
import pytest
from fuzzing import CANARY, MOST_MB, PAYLOADS, READERS, Reader, fuzz
from pth_files import BEGIN, END

from minires.errors import DataError

pytestmark = pytest.mark.skipif(
    not os.path.exists("/proc/self/status"), reason="the bounds on time and memory are Linux's"
)


@pytest.mark.parametrize("name", READERS)
def test_altered_inputs_are_read_or_refused_by_name(name):
    found = fuzz(name, 200)
    assert found["wrong"] == []
    assert found["read"] + found["refused"] == 200
    assert found["memory_mb"] < MOST_MB


@pytest.mark.parametrize("payload", PAYLOADS)
def test_the_payloads_would_run_if_python_read_them(tmp_path, payload):
    code = f"import pickle; pickle.loads({BEGIN + payload + END!r})"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert (tmp_path / CANARY).exists()


@pytest.fixture
def broken(monkeypatch, tmp_path):
    """Makes a reader that does something when an input is altered, and fuzzes it."""
    monkeypatch.setattr(fuzzing, "SECONDS", 0.2)
    monkeypatch.chdir(tmp_path)

    def fuzzed(act):
        def read(path):
            if path.read_bytes() != b"good 123":
                act(path)

        monkeypatch.setitem(READERS, "broken", lambda folder: Reader("f", [b"good 123"], read))
        return fuzzing.process("broken", 3, 0)

    return fuzzed


def test_what_is_no_error_of_minires_is_noticed(broken):
    wrong = broken(lambda path: {}[path])["wrong"]
    assert len(wrong) == 3
    assert wrong[0].startswith("input 0: KeyError")


def test_what_hangs_is_noticed_even_where_every_exception_is_caught(broken):
    def hang(path):
        while True:
            try:
                while True:
                    pass
            except Exception:
                continue

    assert broken(hang)["wrong"][2] == "input 2: HangError: not done after 0.2 s"


def test_what_grows_is_noticed():
    """In a process of its own: one that was larger before would not grow."""
    code = f"""
import sys
sys.path.append({str(Path(__file__).parent)!r})
import fuzzing, numpy as np
def read(path):
    return path.read_bytes() == b"good 123" or np.ones(30_000_000, np.uint8)
fuzzing.READERS["broken"] = lambda folder: fuzzing.Reader("f", [b"good 123"], read)
print(fuzzing.process("broken", 3, 0)["memory_mb"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) > 20


def test_what_is_executed_is_noticed(broken):
    assert broken(lambda path: Path(CANARY).touch())["wrong"] == ["a payload ran"]


def test_what_is_refused_is_counted(broken):
    def refuse(path):
        raise DataError("no")

    assert broken(refuse)["refused"] == 3


def test_an_input_comes_from_its_number_alone():
    reader = Reader("f", [bytes(range(100))], Path.read_bytes)
    again = [fuzzing.altered(reader, "f", number) for number in range(50)]
    assert again == [fuzzing.altered(reader, "f", number) for number in range(50)]
    assert len(set(again)) > 45
