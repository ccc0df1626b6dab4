"""The tutorials, read and run."""

import re
import shutil
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="nbformat, which reads notebooks, is missing")
nbclient = pytest.importorskip("nbclient", reason="nbclient, which runs notebooks, is missing")

TUTORIALS = Path(__file__).parent.parent / "tutorials"
ENGLISH = sorted(TUTORIALS.glob("*.ipynb"))
CHINESE = sorted((TUTORIALS / "zh").glob("*.ipynb"))


def read(path):
    return nbformat.read(path, as_version=4)


def sources(path, kind):
    return [cell.source for cell in read(path).cells if cell.cell_type == kind]


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


def printed_lines(path):
    """What a stored notebook prints, line by line, without the digits that vary."""
    return without_last_digits(read(path)).splitlines()


def expect_it_prints_what_is_stored(path, tmp_path, monkeypatch):
    """Run a tutorial from its first cell to its last; it leaves no file, and can run again."""
    if path.name.startswith("09_"):  # it shows which kernel computed an operation
        monkeypatch.delenv("MINIRES_TEXTBOOK", raising=False)
    # A copy of the folders, for a tutorial imports simple_engine.py.
    folder = tmp_path / path.parent.relative_to(TUTORIALS)
    folder.mkdir(exist_ok=True)
    shutil.copy(TUTORIALS / "simple_engine.py", tmp_path)
    stored, again = read(path), read(path)
    resources = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(again, timeout=600, resources=resources).execute()
    assert without_last_digits(again) == without_last_digits(stored)
    left = [p for p in tmp_path.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    assert left == [tmp_path / "simple_engine.py"]
