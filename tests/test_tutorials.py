"""Every tutorial runs from its first cell to its last."""

import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="nbformat, which reads notebooks, is missing")
nbclient = pytest.importorskip("nbclient", reason="nbclient, which runs notebooks, is missing")

NOTEBOOKS = sorted((Path(__file__).parent.parent / "tutorials").glob("*.ipynb"))


def printed(notebook):
    """What the cells wrote, one text a cell."""
    return [
        "".join(output.get("text", "") for output in cell.get("outputs", []))
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def without_last_digits(notebook):
    """What was printed, without the digits that vary with the machine's arithmetic."""
    text = "\n".join(printed(notebook))
    text = re.sub(r"\de-\d+", "tiny", text)  # a measured difference
    return re.sub(r"(\d\.\d{4})\d+", r"\1", text)


def test_there_are_tutorials():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_tutorial_runs_and_prints_what_is_stored(path, tmp_path):
    stored = nbformat.read(path, as_version=4)
    again = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(again, timeout=120, resources=resources).execute()
    assert without_last_digits(again) == without_last_digits(stored)
