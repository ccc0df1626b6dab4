import pytest

from minires.viz import fonts as names
from minires.viz.fonts import drawable, one_line


def test_a_name_is_one_line_and_not_too_long():
    assert one_line(" a\n\tb  c ") == "a b c"
    assert one_line("x" * 30) == "x" * 23 + "…"
    assert one_line("\u202eabc") == r"\u202eabc", "not drawn from right to left"
    assert one_line("x" * 30, longest=30) == "x" * 30


def test_letters_of_matplotlibs_own_font_need_no_other():
    assert drawable(["cat", "été", "кот"]) == (["cat", "été", "кот"], ["DejaVu Sans"])


@pytest.fixture
def fonts(monkeypatch):
    monkeypatch.setattr(names, "_installed", lambda: [("Greek", "g"), ("Chinese", "c")])
    monkeypatch.setattr(names, "_path", lambda family: "own")
    letters = {"own": "abc.no 0123", "g": "αβ", "c": "猫狗"}
    monkeypatch.setattr(names, "_letters", lambda path: frozenset(letters[path]))


def test_other_letters_are_looked_for_in_the_systems_fonts(fonts):
    assert drawable(["a猫"]) == (["a猫"], ["DejaVu Sans", "Chinese"])
    assert drawable(["αb", "猫"]) == (["αb", "猫"], ["DejaVu Sans", "Greek", "Chinese"])


def test_a_name_that_no_font_has_is_given_by_its_number(fonts):
    assert drawable(["a", "鱼", "b"])[0] == ["a", "no. 1", "b"]
    assert drawable(["鱼"], ["a fish"])[0] == ["a fish"]


def test_a_box_for_every_letter_is_no_font():
    assert not any("Last Resort" in family for family, _ in names._installed())
