"""Everything read from outside: altered inputs are read or raise an error of minires.

`benchmarks/fuzz.py` asks the same of many more inputs. Here it is seen, too, that it would notice.
"""

import os
import re
import subprocess
import sys
import time
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
def test_altered_inputs_are_read_or_raise_by_name(name):
    found = fuzz(name, 200)
    assert found["wrong"] == []
    assert found["read"] + found["raised"] >= 200  # and the large ones
    assert found["memory_mb"] <= MOST_MB


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

    def fuzzed(act, **how):
        def read(path):
            if path.read_bytes() != b"good 123":
                act(path)

        reader = Reader("f", [b"good 123"], read, **how)
        monkeypatch.setitem(READERS, "broken", lambda folder: reader)
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


def test_what_is_slow_is_noticed_by_the_length_of_the_input(broken, monkeypatch):
    def work(path):
        started = time.process_time()
        while time.process_time() - started < 3e-6 * path.stat().st_size:
            pass

    assert broken(work)["wrong"] == []
    monkeypatch.setattr(fuzzing, "SECONDS", 300)  # by the clock, of a machine that may be busy
    (wrong,) = broken(work, large=[bytes(1_000_000)])["wrong"]
    assert re.fullmatch(r"large input 0, of 1,000,000 bytes: 3\.\d s", wrong)


def test_a_long_message_is_noticed(broken):
    def fail(path):
        raise DataError("x" * 3001)

    wrong = broken(fail)["wrong"]
    assert len(wrong) == 3
    assert wrong[0].startswith("input 0: LongMessageError: 3,001 letters: xxx")


def test_what_grows_is_noticed():
    """In a process of its own: one that was larger before would not grow."""
    code = f"""
import sys
sys.path.append({str(Path(__file__).parent)!r})
import fuzzing, numpy as np
def read(path):
    return path.read_bytes() == b"good 123" or np.ones(30_000_000, np.uint8)
reader = fuzzing.Reader("f", [b"good 123"], read, most_mb=20)
fuzzing.READERS["broken"] = lambda folder: reader
print(fuzzing.process("broken", 3, 0)["wrong"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert re.search(r"input 0, of \d+ bytes: [3-9]\d MB", done.stdout), done.stdout


def test_pieces_are_put_into_some_inputs():
    reader = Reader("f", [bytes(100)], Path.read_bytes, pieces=[b"a piece"])
    altered = [fuzzing.altered(reader, "f", number) for number in range(100)]
    assert 10 < sum(b"a piece" in content for content in altered) < 60


def test_what_is_executed_is_noticed(broken):
    assert broken(lambda path: Path(CANARY).touch())["wrong"] == ["a payload ran"]


def test_what_raises_is_counted(broken):
    def fail(path):
        raise DataError("no")

    assert broken(fail)["raised"] == 3


def test_an_input_comes_from_its_number_alone():
    reader = Reader("f", [bytes(range(100))], Path.read_bytes)
    again = [fuzzing.altered(reader, "f", number) for number in range(50)]
    assert again == [fuzzing.altered(reader, "f", number) for number in range(50)]
    assert len(set(again)) > 45
