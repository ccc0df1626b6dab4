"""Figures look the same whatever a user has set in Matplotlib."""

import ast
from pathlib import Path

import pytest

import minires
from minires.viz.windows import windows_figure

matplotlib = pytest.importorskip("matplotlib")


@pytest.mark.parametrize(
    "users",
    [
        {"text.usetex": True},
        {"savefig.dpi": 300, "savefig.bbox": "tight"},
        {"axes.facecolor": "black", "font.size": 30, "lines.linewidth": 9},
    ],
    ids=lambda users: next(iter(users)),
)
def test_the_users_settings_do_not_show(users):
    usual = windows_figure((4, 4), (3, 3), dpi=40)
    with matplotlib.rc_context(users):
        assert windows_figure((4, 4), (3, 3), dpi=40) == usual
        assert {name: matplotlib.rcParams[name] for name in users} == users


def test_every_figure_is_drawn_in_our_own_style():
    drawn = {}
    for file in Path(minires.__file__).parent.rglob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and "figure_bytes(" in ast.unparse(node):
                styles = [ast.unparse(decorator) for decorator in node.decorator_list]
                drawn[f"{file.stem}.{node.name}"] = styles == ["own_style"]
    drawn.pop("style.figure_bytes")
    assert len(drawn) >= 12
    assert all(drawn.values()), drawn
