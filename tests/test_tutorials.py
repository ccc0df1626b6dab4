"""Every tutorial runs from its first cell to its last."""

import re

import pytest
from notebooks import (
    CHINESE,
    ENGLISH,
    TUTORIALS,
    expect_it_prints_what_is_stored,
    printed_lines,
    sources,
)


@pytest.mark.parametrize("path", ENGLISH, ids=lambda path: path.stem)
def test_it_runs_and_prints_what_is_stored(path, tmp_path, monkeypatch):
    expect_it_prints_what_is_stored(path, tmp_path, monkeypatch)


@pytest.mark.parametrize("path", ENGLISH + CHINESE, ids=lambda path: path.parent.name + path.stem)
def test_files_a_tutorial_points_to_are_there(path):
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", "\n".join(sources(path, "markdown"))):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", ENGLISH + CHINESE, ids=lambda path: path.parent.name + path.stem)
def test_a_tutorial_begins_with_the_line_that_opens_it(path):
    command = f"jupyter lab {path.relative_to(TUTORIALS.parent).as_posix()}"
    assert f"`{command}`" in sources(path, "markdown")[0]


@pytest.mark.parametrize("path", ENGLISH + CHINESE, ids=lambda path: path.parent.name + path.stem)
def test_what_is_printed_is_a_number_with_its_name(path):
    """Not True, and no number alone; of exercises, behind their number."""
    for line in printed_lines(path):
        assert not re.search(r"\b(True|False)[.,;]?$", line), line
        assert not re.fullmatch(r"(\d\. )?[\d\W]+[\d.e-]*", line) or line.startswith((" ", "[")), (
            line
        )
