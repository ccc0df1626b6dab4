"""What a user sees: bars where they can be drawn, lines elsewhere, tables without a digit lost."""

import io
import re
import shlex

import pytest
from commands import TINY, in_a_process, minires
from rich.console import Console

from minires.cli import output


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_backend_that_a_notebook_leaves_to_its_cells_ends_no_command(tmp_path):
    """A cell "!minires ..." inherits the name of a backend that may not be installed here."""
    inherited = in_a_process(*TINY, "--out", "run", cwd=tmp_path, MPLBACKEND="module://not.here")
    assert inherited.returncode == 0, inherited.stderr
    misspelt = in_a_process("plot", "run", cwd=tmp_path, MPLBACKEND="no such backend")
    assert misspelt.returncode == 0, misspelt.stderr
    assert re.fullmatch("figure: run/degradation.png\n", misspelt.stdout)


def test_what_is_piped_is_complete():
    shown = minires("summary", "resnet20", COLUMNS="60")
    assert re.search(r"conv1 +│ 16x32x32 +│ 3x3, 16 +│ +│ +432 │ +442,368 │\n", shown.stdout)
    assert "…" not in shown.stdout


@pytest.mark.parametrize("width", [70, 80, 120])
def test_on_a_narrow_terminal_numbers_are_complete(width, monkeypatch):
    monkeypatch.setattr(output, "console", Console(file=Terminal(), width=width, color_system=None))
    table = output.new_table("a [i] title", "layers", numbers=("multiply-adds",))
    table.add_row("1x1, 256; 3x3, 256, stride 2; 1x1, 1024 " * 3, "7,642,808,320")
    output.show_table(table)
    text = output.console.file.getvalue()
    assert " 7,642,808,320 " in text
    assert "a [i] title" in text
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width


def test_a_run_ends_with_what_it_found_and_what_to_try_next(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nets = ("--nets", "resnet8,plain14,plain8", "--epochs", "1", "--seeds", "1", "--out", "a run")
    shown = minires("degradation", *nets)
    assert (shown.returncode, shown.stderr) == (0, "")
    said = shown.stdout[shown.stdout.index("Depth ") :]
    assert re.match(r"Depth .* the plain nets \(training error .*\)\.\n", said)
    for net in ("plain8", "plain14", "resnet8"):
        assert re.search(rf"│ {net} +│ +\d+\.\d\d % │ +\d+\.\d\d % │", said)
    for line in ("figure: a run/degradation.png", "report: a run/summary.md"):
        assert f"{line}\n" in said
    assert said.splitlines()[-4:] == [
        "try next:",
        "  minires step resnet8 --weights 'a run/weights/resnet8-seed1.safetensors'",
        "  minires landscape --run 'a run' --nets plain14,resnet8 --net-seed 1",
        "  minires flow --run 'a run' --only paths --dataset digits --seed 1",
    ]
    _, *step = shlex.split(said.splitlines()[-3])
    assert minires(*step).returncode == 0


def test_a_run_that_is_not_at_its_end_says_how_to_train_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    how = ("--nets", "resnet8", "--epochs", "2", "--until", "1", "--out", "run")
    shown = minires("degradation", *how)
    assert shown.returncode == 0
    assert shown.stdout.endswith("train on with: minires degradation --resume --out run\n")
    assert "try next" not in shown.stdout
