"""Every tutorial runs from its first cell to its last."""

import re

import pytest
from notebooks import CHINESE, ENGLISH, expect_it_prints_what_is_stored, sources


@pytest.mark.parametrize("path", ENGLISH, ids=lambda path: path.stem)
def test_it_runs_and_prints_what_is_stored(path, tmp_path, monkeypatch):
    expect_it_prints_what_is_stored(path, tmp_path, monkeypatch)


@pytest.mark.parametrize("path", ENGLISH + CHINESE, ids=lambda path: path.parent.name + path.stem)
def test_files_a_tutorial_points_to_are_there(path):
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", "\n".join(sources(path, "markdown"))):
        assert (path.parent / target).exists(), target
