"""`minires landscape` as a user meets it."""

import shutil
import signal

import pytest
from commands import TINY, fails, in_a_process, minires, start, wait_for

MAP = ("landscape", "--nets", "resnet8", "--points", "5", "--images", "32")


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    """A folder with a run that has trained resnet8, in runs/degradation-1."""
    parent = tmp_path_factory.mktemp("landscape")
    assert in_a_process(*TINY, cwd=parent).returncode == 0
    return parent


@pytest.fixture(scope="module")
def finished(parent):
    result = in_a_process(*MAP, "--run", "runs/degradation-1", cwd=parent)
    assert result.returncode == 0, result.stderr
    return parent / "runs" / "landscape-1", result


def test_it_shows_its_progress_and_leaves_its_files(finished):
    out, result = finished
    assert "resnet8      25 of 25 points" in result.stdout
    assert "figure: runs/landscape-1/landscape.png" in result.stdout
    assert "What this does not show" in result.stdout
    assert {p.name for p in out.iterdir()} == {
        *("config.json", "landscape.csv", "landscape.csv.sha256", "landscape.previous.csv"),
        *("landscape.png", "summary.md"),
    }


def test_without_a_run_it_says_that_it_trains_and_can_be_stopped_there(finished, tmp_path):
    process = start((*MAP, "--out", "run"), tmp_path)
    wait_for(tmp_path / "run" / "training" / "history.csv", process)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate()
    assert process.returncode == 130, errors
    assert "no --run was given: resnet8 is trained first" in output
    assert "resume with: minires landscape --resume --out run" in output
    assert "Traceback" not in errors


def test_killed_again_and_again_it_ends_with_the_same_map(parent, tmp_path):
    longer = ("landscape", "--nets", "resnet8", "--points", "15")
    shutil.copytree(parent / "runs" / "degradation-1", tmp_path / "nets")
    assert in_a_process(*longer, "--run", "nets", "--out", "whole", cwd=tmp_path).returncode == 0
    process = start((*longer, "--run", "nets", "--out", "run"), tmp_path)
    for stop in (signal.SIGKILL, signal.SIGINT, signal.SIGKILL):
        wait_for(tmp_path / "run" / "landscape.csv", process)
        process.send_signal(stop)
        process.communicate()
        process = start(("landscape", "--resume", "--out", "run"), tmp_path)
    process.communicate()
    assert process.returncode == 0
    for name in ("landscape.csv", "summary.md"):
        run, whole = ((tmp_path / out / name).read_bytes() for out in ("run", "whole"))
        assert run == whole


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--nets", "plain21"), r"no net 'plain21'; expected plain or resnet and a depth of 6n"),
        (("--points", "8"), "points must be odd, so that the net itself is one of them.*got 8"),
        (("--points", "1"), "at least 3, got 1"),
        (("--points", "many"), "'--points': expected an integer, got 'many'"),
        (("--span", "0"), "span must be above 0 and at most 100, got 0.0"),
        (("--images", "9999"), "images must be from 2 to the 1437 training images of digits"),
        (("--dataset", "mnist"), "no dataset 'mnist'"),
        (("--dataset", "cifar10"), "cifar10 needs --data-dir"),
        (("--run", "nowhere"), "there is no run in .*nowhere"),
        (("--resume",), "--resume needs --out"),
        (("--resume", "--out", "nowhere"), "there is no run in nowhere"),
    ],
)
def test_mistakes_get_a_sentence(tmp_path, arguments, sentence):
    fails(minires("landscape", *arguments, cwd=tmp_path), 2, sentence)
    assert not list(tmp_path.iterdir())


def test_what_a_run_does_not_have_gets_a_sentence(finished):
    parent = finished[0].parent.parent
    run = ("--run", "runs/degradation-1")
    fails(
        minires("landscape", *run, cwd=parent), 2, "has no trained plain56, seed 0; it has resnet8"
    )
    fails(minires(*MAP, *run, "--net-seed", "1", cwd=parent), 2, "no trained resnet8, seed 1")
    fails(
        minires(*MAP, *run, "--out", "runs/landscape-1", cwd=parent),
        *(2, "runs/landscape-1 is not empty; add --resume"),
    )
    again = ("landscape", "--resume", "--out", "runs/landscape-1")
    fails(minires(*again, "--points", "7", cwd=parent), 2, "has points = 5, but 7 was asked for")
    assert minires(*again, *run, "--points", "5", cwd=parent).returncode == 0
    other = ("landscape", "--resume", "--out", "runs/degradation-1")
    fails(minires(*other, cwd=parent), 2, "is not one of minires landscape")
