"""What a user sees: bars where they can be drawn, lines elsewhere, tables without a digit lost."""

import re

from commands import TINY, minires


def test_a_backend_that_a_notebook_leaves_to_its_cells_ends_no_command(tmp_path):
    """A cell "!minires ..." inherits the name of a backend that may not be installed here."""
    inherited = minires(*TINY, "--out", "run", cwd=tmp_path, MPLBACKEND="module://not.here")
    assert inherited.returncode == 0, inherited.stderr
    misspelt = minires("plot", "run", cwd=tmp_path, MPLBACKEND="no such backend")
    assert misspelt.returncode == 0, misspelt.stderr
    assert re.fullmatch("figure: run/degradation.png\n", misspelt.stdout)
