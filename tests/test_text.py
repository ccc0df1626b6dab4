"""Names from outside, made safe for a terminal, HTML, Markdown and a spreadsheet."""

import ast
import html
import os
import re
import warnings
from pathlib import Path

import pytest
from rich.console import Console
from rich.markdown import Markdown

import minires
from minires.errors import DataError
from minires.runs.markdown import markdown_table
from minires.runs.table import table
from minires.text import csv_text, few, html_text, markdown_text, printable

HARMLESS = (
    "a dog",
    "été",
    "猫",
    "n02123045_tabby",
    "می\u200cخواهم",
    "👩\u200d🔬",
    "a\u3000b",
    "a\u00a0b",
)
CONTROLLING = {
    "\x1b[2J": "\\x1b[2J",  # clears a terminal
    "\x07\x9b\x7f": "\\x07\\x9b\\x7f",
    "a\nb\r\tc": "a\\nb\\r\\tc",
    "gpj\u202egpj.exe": "gpj\\u202egpj.exe",  # shows as exe.jpg
    "\u2028\u2066\ufeff": "\\u2028\\u2066\\ufeff",
    os.fsdecode(b"\xff\xfe"): "\\udcff\\udcfe",
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_harmless_stays(name):
    assert printable(name) == html_text(name) == markdown_text(name) == csv_text(name) == name


@pytest.mark.parametrize("name", CONTROLLING)
def test_what_controls_a_terminal_is_written_as_in_python(name):
    assert printable(name) == CONTROLLING[name]
    assert printable(name + "\n", keep="\n") == CONTROLLING[name].replace("\\n", "\n") + "\n"
    assert html_text(name) == CONTROLLING[name]
    assert csv_text(name) == CONTROLLING[name]
    assert str(DataError(name + "\n")) == CONTROLLING[name].replace("\\n", "\n") + "\n"


def test_no_tag_and_no_quote_comes_through_to_html():
    name = "<script>&\"'"
    assert not re.search("[<>\"']", html_text(name))
    assert html.unescape(html_text(name)) == name


MARKED = (
    "<b>x</b>",
    "**x**",
    "_x_",
    "`x`",
    "[x](javascript:x)",
    "![x](x)",
    "a|b",
    "~~x~~",
    "\\",
    "&lt;",
)


@pytest.mark.parametrize("name", MARKED)
def test_markdown_shows_a_name_as_it_is(name):
    console = Console(width=200, force_terminal=True, color_system="standard")
    with console.capture() as captured:
        console.print(Markdown(f"before {markdown_text(name)} after"))
    assert captured.get().strip() == f"before {name} after"  # without colours, bold, or a link
    assert "<" not in markdown_text(name)
    with console.capture() as captured:
        console.print(Markdown(markdown_table(["a", "b"], [[markdown_text(name), "end"]])))
    shown = re.sub(r"\x1b\[[\d;]*m", "", captured.get())
    assert re.search(rf"{re.escape(name)} +end", shown)


@pytest.mark.parametrize("begin", "=+-@＝＋－＠")
def test_a_spreadsheet_computes_no_name(begin):
    assert csv_text(f"{begin}1+1") == f"'{begin}1+1"
    assert table(["a"], [{"a": f"{begin}A1"}]).decode() == f"a\n'{begin}A1\n"


def test_numbers_are_numbers_to_a_spreadsheet():
    cells = [-0.5, "-0.5", "+1e-5", "-inf", 3, True]
    rows = table(["a"], [{"a": cell} for cell in cells]).decode().split()
    assert rows == ["a", "-0.5", "-0.5", "+1e-5", "-inf", "3", "True"]


def test_of_many_items_few_are_shown():
    assert few(["a"] * 10) == ["a"] * 10
    assert few(["a"] * 1234) == [*["a"] * 10, "and 1,224 more"]


ROOT = Path(minires.__file__).parent


@pytest.mark.parametrize("file", sorted(ROOT.rglob("*.py")), ids=lambda file: file.name)
def test_there_is_one_place_that_prints(file):
    """Which makes all names printable; and HTML is escaped in one place."""
    with warnings.catch_warnings():
        tree = ast.parse(file.read_text(encoding="utf-8"))
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    path = file.relative_to(ROOT).as_posix()
    assert "print" not in called or path == "cli/app.py"
    assert "html.escape" not in called or path in ("text.py", "inspect/step_page.py")
    assert not called & {"csv.writer", "csv.DictWriter"} or path == "runs/table.py"
