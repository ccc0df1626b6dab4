"""The Chinese tutorials do and say the same as the English ones, which are run."""

import ast
import re

import pytest
from notebooks import (
    CHINESE,
    ENGLISH,
    TUTORIALS,
    expect_it_prints_what_is_stored,
    printed_lines,
    read,
    sources,
)

HAN = re.compile("[\u3000-\u9fff\uff00-\uffef]")  # Chinese characters and punctuation


def test_one_runs_too_in_a_folder_below_that_of_the_english_ones(tmp_path, monkeypatch):
    expect_it_prints_what_is_stored(CHINESE[0], tmp_path, monkeypatch)


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


def words_of(cells):
    """The strings of some code, in order, and the set of the texts inside its f-strings."""
    strings, texts = [], set()
    for cell in cells:
        nodes = list(ast.walk(ast.parse(cell)))
        of_f = [part for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values]
        texts |= {part.value for part in of_f if isinstance(part, ast.Constant)}
        others = [n.value for n in nodes if isinstance(n, ast.Constant) and n not in of_f]
        strings += [value.strip("\n") for value in others if isinstance(value, str)]
    return strings, texts


def values(line, translation):
    """What a line says in the words of `translation`: words, numbers and names, in order."""
    words = sorted(filter(str.strip, translation), key=len, reverse=True)
    line = re.sub("|".join(map(re.escape, words)) or "$", lambda m: translation[m[0]], line)
    return re.findall(r"[\w.+-]+", line)


def mistranslated(english_code, chinese_code, english, chinese):
    """The pairs of printed lines that say different things; the code is that of all cells."""
    (strings, texts), (translated, chinese_texts) = words_of(english_code), words_of(chinese_code)
    # Of an f-string, in which words have another order, the values are compared.
    as_it_is = {string: string for string in strings} | dict.fromkeys(texts - chinese_texts, " ")
    into_english = dict(zip(translated, strings, strict=True))
    into_english |= dict.fromkeys(chinese_texts - texts, " ")
    return [
        pair
        for pair in zip(english, chinese, strict=True)
        if pair[0] != pair[1] and values(pair[0], as_it_is) != values(pair[1], into_english)
    ]


@pytest.mark.parametrize(
    ("chinese", "same"),
    [
        ("用全 1 检验：20 个里不通过的占 0.5", True),
        ("用全 1 检验：20 个里不通过的占 -0.5", False),
        ("用全 1 检验：0.5 个里不通过的占 20", False),  # another order
        ("用全 1 检验：20 个里不通过的占 0.5，3", False),
        ("用全 1 检验：20 个里不通过的占", False),
        ("用全 1 检验：20 个里通过的占 0.5", False),  # another word
        ("检验：20 个里不通过的占 0.5", False),  # words that are not in the code
    ],
)
def test_a_printed_line_that_says_something_else_is_seen(chinese, same):
    english_code = ['seen = "fails" if x else "passes"', 'f"of {n}, with ones, {seen} {x}"']
    chinese_code = ['seen = "不通过" if x else "通过"', 'f"用全 1 检验：{n} 个里{seen}的占 {x}"']
    lines = ["of 20, with ones, fails 0.5"], [chinese]
    assert bool(mistranslated(english_code, chinese_code, *lines)) != same


@pytest.mark.parametrize("path", CHINESE, ids=lambda path: path.stem)
def test_a_chinese_tutorial_has_printed_what_the_english_one_prints(path):
    """Its code is the same but for its words, so what it prints is as well."""
    both = TUTORIALS / path.name, path
    assert not mistranslated(*(sources(p, "code") for p in both), *map(printed_lines, both))


def formulas_and_figures(path):
    """The displayed formulas, without spaces and words; the figures with a unit, sorted."""
    text = "\n".join(sources(path, "markdown"))
    formulas = re.findall(r"\$\$.*?\$\$", text, re.DOTALL)
    figures = re.findall(r"[\d.,]+ (?:ms|µs|MB|%)", text)
    return [re.sub(r"\s|\\text\{[^}]*\}", "", formula) for formula in formulas], sorted(figures)


@pytest.mark.parametrize("path", CHINESE, ids=lambda path: path.stem)
def test_a_chinese_tutorial_has_the_formulas_and_figures_of_the_english_one(path):
    assert formulas_and_figures(path) == formulas_and_figures(TUTORIALS / path.name)
