"""The Chinese tutorials run as well, and say the same as the English ones."""

import ast
import re

import pytest
from notebooks import (
    CHINESE,
    ENGLISH,
    TUTORIALS,
    expect_it_prints_what_is_stored,
    read,
    sources,
)

HAN = re.compile("[\u3000-\u9fff\uff00-\uffef]")  # Chinese characters and punctuation


@pytest.mark.parametrize("path", CHINESE, ids=lambda path: path.stem)
def test_it_runs_and_prints_what_is_stored(path, tmp_path, monkeypatch):
    expect_it_prints_what_is_stored(path, tmp_path, monkeypatch)


def test_there_are_tutorials_in_both_languages():
    assert ENGLISH
    assert [path.name for path in CHINESE] == [path.name for path in ENGLISH]


class Wordless(ast.NodeTransformer):
    """Takes the words out of a program, and keeps them in `words`.

    What stands between the braces of an f-string is code, its width and precision too.
    """

    def __init__(self):
        self.words = []

    def visit_Constant(self, node):
        if isinstance(node.value, str):
            self.words.append(node.value)
            node.value = ""
        return node

    def visit_JoinedStr(self, node):
        parts = [part for part in node.values if isinstance(part, ast.FormattedValue)]
        self.words.append("".join(p.value for p in node.values if p not in parts))
        node.values = [self.visit(part) for part in parts]
        return node

    def visit_FormattedValue(self, node):
        node.value = self.visit(node.value)
        return node


def code_and_words(cell):
    """A cell as (its code without words and comments, its words)."""
    wordless = Wordless()
    return ast.dump(wordless.visit(ast.parse(cell))), wordless.words


def drifted(english, chinese):
    """What a Chinese cell does otherwise than the English one; None if it only speaks Chinese."""
    code, words = code_and_words(english)
    translated_code, translated_words = code_and_words(chinese)
    if code != translated_code:
        return chinese
    for word, translated in zip(words, translated_words, strict=True):
        if word != translated and not HAN.search(translated):
            return translated
    return None


@pytest.mark.parametrize(
    ("chinese", "same"),
    [
        ('show(f"梯度 {x:.2f}", ops="Add")  # 说明', True),
        ('show(f"gradients {x:.2f}", ops="Add")', False),  # neither the same words nor Chinese
        ('show(f"梯度 {x:.3f}", ops="Add")', False),
        ('show(f"梯度 {y:.2f}", ops="Add")', False),
        ('show(f"梯度 {x:.2f}", ops="ReLU")', False),
        ('show(f"梯度 {x:.2f}")', False),
    ],
)
def test_a_cell_that_has_drifted_is_seen(chinese, same):
    english = 'show(f"gradient {x:.2f}", ops="Add")  # a comment'
    assert (drifted(english, chinese) is None) == same


@pytest.mark.parametrize("path", CHINESE, ids=lambda path: path.stem)
def test_a_chinese_tutorial_has_the_code_of_the_english_one(path):
    kinds = [[cell.cell_type for cell in read(p).cells] for p in (TUTORIALS / path.name, path)]
    assert kinds[0] == kinds[1]
    for english, chinese in zip(
        sources(TUTORIALS / path.name, "code"), sources(path, "code"), strict=True
    ):
        assert drifted(english, chinese) is None


def formulas_and_figures(path):
    """The displayed formulas, without spaces and words; the figures with a unit, sorted."""
    text = "\n".join(sources(path, "markdown"))
    formulas = re.findall(r"\$\$.*?\$\$", text, re.DOTALL)
    figures = re.findall(r"[\d.,]+ (?:ms|µs|MB|%)", text)
    return [re.sub(r"\s|\\text\{[^}]*\}", "", formula) for formula in formulas], sorted(figures)


@pytest.mark.parametrize("path", CHINESE, ids=lambda path: path.stem)
def test_a_chinese_tutorial_has_the_formulas_and_figures_of_the_english_one(path):
    assert formulas_and_figures(path) == formulas_and_figures(TUTORIALS / path.name)
