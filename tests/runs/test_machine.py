"""A run says where it was started, and that its bits may differ where it is resumed."""

import json
import warnings
from pathlib import Path

import pytest

from minires import get_num_threads, set_num_threads, textbook
from minires.errors import MachineWarning
from minires.kernels.cpu.tuning import changed
from minires.runs import RunFolder
from minires.runs.machine import check_same_machine, machine

OUT = Path("run")


def values():
    """What config.json says, as it is read back."""
    return json.loads(json.dumps({"machine": machine()}))


def resume(facts, computed=True):
    """Resume a run here whose config.json is `facts`, and save something."""
    folder = RunFolder(OUT)
    check_same_machine(folder, facts, machine())
    if computed and folder.resumed_on:
        facts["resumed_on"] = json.loads(json.dumps(folder.resumed_on))


@pytest.fixture
def _threads():
    before = get_num_threads()
    yield
    set_num_threads(before)


def test_on_the_same_machine_nothing_is_said():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resume(values())


def test_it_names_what_decides_bits():
    found = machine()
    assert found["threads"] == get_num_threads()
    assert found["blas.num_threads"] >= 1
    assert {"numpy", "cpu", "textbook", "blas.version", "tuning.tile"} <= set(found)


@pytest.mark.usefixtures("_threads")
def test_other_threads_are_named():
    set_num_threads(2)
    started = values()
    set_num_threads(1)
    with pytest.warns(MachineWarning, match=r"the run in run .*: threads was 2 and is 1; what is"):
        resume(started)


def test_reference_operations_and_tuning_are_named():
    started = values()
    with changed(tile=7), pytest.warns(MachineWarning, match=r"tuning\.tile was \d+ and is 7"):
        resume(started)
    started["machine"]["textbook"] = False
    with textbook(), pytest.warns(MachineWarning, match="textbook was False and is True"):
        resume(started)


def test_what_only_one_of_them_has_is_named_and_not_all_of_a_hundred():
    started = {"machine": {f"x{i}": "y" * 1000 for i in range(100)}}
    with pytest.warns(MachineWarning, match="threads was None and is") as found:
        resume(started)
    assert len(str(found[0].message)) < 600
    started = {"machine": {**machine(), "other": 1}}
    with pytest.warns(MachineWarning, match="other was 1 and is None"):
        resume(started)


@pytest.mark.parametrize("started", [{}, {"machine": None}, {"machine": [1]}])
def test_older_runs_do_not_say_and_nothing_is_said_of_them(started):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resume(started)


def test_little_of_what_a_file_says_of_the_machine_is_repeated():
    started = {"machine": {"y" * 10_000: "z" * 10_000, **machine()}}
    with pytest.warns(MachineWarning, match=r"y{40}\.\.\. was 'z+\.\.\.z+' and is None") as caught:
        resume(started)
    assert len(str(caught[0].message)) < 500


@pytest.mark.usefixtures("_threads")
def test_a_run_that_came_back_has_parts_of_two_machines_and_says_so_every_time():
    set_num_threads(2)
    run = values()
    set_num_threads(1)
    with pytest.warns(MachineWarning, match="threads was 2 and is 1"):
        resume(run)
    assert [m["threads"] for m in run["resumed_on"]] == [1]
    set_num_threads(2)
    for _ in range(2):
        with pytest.warns(MachineWarning, match="threads was 1 and is 2"):
            resume(run)
    assert [m["threads"] for m in run["resumed_on"]] == [1], "a known machine is noted once"


@pytest.mark.parametrize("later", [None, 3, [None, 3], {"threads": 1}])
def test_what_is_no_list_of_machines_is_passed_over(later):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resume({**values(), "resumed_on": later})
