"""What a user sees: bars where they can be drawn, lines elsewhere, tables without a digit lost."""

import io
import re

import pytest
from commands import TINY, minires, run_here
from rich.console import Console

from minires.cli import output


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_backend_that_a_notebook_leaves_to_its_cells_ends_no_command(tmp_path):
    """A cell "!minires ..." inherits the name of a backend that may not be installed here."""
    inherited = minires(*TINY, "--out", "run", cwd=tmp_path, MPLBACKEND="module://not.here")
    assert inherited.returncode == 0, inherited.stderr
    misspelt = minires("plot", "run", cwd=tmp_path, MPLBACKEND="no such backend")
    assert misspelt.returncode == 0, misspelt.stderr
    assert re.fullmatch("figure: run/degradation.png\n", misspelt.stdout)


def test_what_is_piped_is_complete(capfd, monkeypatch):
    shown = run_here(monkeypatch, capfd, "summary", "resnet20", COLUMNS="60")
    assert re.search(r"conv1 +│ 16x32x32 +│ 3x3, 16 +│ +│ +432 │ +442,368 │\n", shown.out)
    assert "…" not in shown.out


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
