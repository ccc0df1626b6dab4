"""Every tutorial runs from its first cell to its last, and says the same in both languages."""

import ast
import re
import shutil
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="nbformat, which reads notebooks, is missing")
nbclient = pytest.importorskip("nbclient", reason="nbclient, which runs notebooks, is missing")

TUTORIALS = Path(__file__).parent.parent / "tutorials"
ENGLISH = sorted(TUTORIALS.glob("*.ipynb"))
CHINESE = sorted((TUTORIALS / "zh").glob("*.ipynb"))
HAN = re.compile("[\u3000-\u9fff\uff00-\uffef]")  # Chinese characters and punctuation


def read(path):
    return nbformat.read(path, as_version=4)


def sources(path, kind):
    return [cell.source for cell in read(path).cells if cell.cell_type == kind]


def named_by_language(path):
    return f"zh-{path.stem}" if path in CHINESE else path.stem


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


def test_there_are_tutorials_in_both_languages():
    assert ENGLISH
    assert [path.name for path in CHINESE] == [path.name for path in ENGLISH]


@pytest.mark.parametrize("path", ENGLISH + CHINESE, ids=named_by_language)
def test_a_tutorial_runs_and_prints_what_is_stored(path, tmp_path, monkeypatch):
    if path.name.startswith("09_"):  # it shows which kernel computed an operation
        monkeypatch.delenv("MINIRES_TEXTBOOK", raising=False)
    # A copy of the folders, for a tutorial imports simple_engine.py and may write files.
    folder = tmp_path / path.parent.relative_to(TUTORIALS)
    folder.mkdir(exist_ok=True)
    shutil.copy(TUTORIALS / "simple_engine.py", tmp_path)
    stored, again = read(path), read(path)
    resources = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(again, timeout=600, resources=resources).execute()
    assert without_last_digits(again) == without_last_digits(stored)


@pytest.mark.parametrize("path", ENGLISH + CHINESE, ids=named_by_language)
def test_files_a_tutorial_points_to_are_there(path):
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", "\n".join(sources(path, "markdown"))):
        assert (path.parent / target).exists(), target


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
