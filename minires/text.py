"""Text from outside, such as names of files and classes, made safe for where it is shown.

A file may be called "\\x1b[2J", which clears a terminal, "<script>" or "=1+1". There is one
function for each place: a terminal, HTML, Markdown, and a cell of a CSV file.
"""

import html
import re
import unicodedata
from collections.abc import Sequence

# Control characters; those that turn the direction of what follows; halves of a character, such as
# bytes in the name of a file that are not UTF-8; line breaks.
_UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"  # of category Cf, but needed to write Persian, Hindi and some emoji
_MARKDOWN = re.compile(r"[\\`*\[\]~$]|(?<!\w)_|_(?!\w)")
_FORMULA = tuple("=+-@＝＋－＠")  # how a cell begins that a spreadsheet computes
_FEW = 10


def printable(text: str, keep: str = "") -> str:
    """Return a text for a terminal: control characters as Python writes them, such as \\x1b.

    Args:
        text: any text.
        keep: characters that stay as they are, such as line breaks.
    """
    if text.isprintable():
        return text
    return "".join(
        c.encode("unicode_escape").decode("ascii")
        if unicodedata.category(c) in _UNSAFE and c not in _JOINERS + keep
        else c
        for c in text
    )


def html_text(text: str) -> str:
    """Return a text for HTML, between tags or in quotes."""
    return html.escape(printable(text))


def markdown_text(text: str) -> str:
    """Return a text for Markdown: no tags, links or emphasis come of it; for a "|" see tables."""
    return html.escape(_MARKDOWN.sub(r"\\\g<0>", printable(text)), quote=False)


def csv_text(text: str) -> str:
    """Return a text for a cell of a CSV file: with "'" before what a spreadsheet would compute."""
    try:
        float(text)
    except ValueError:
        return "'" * text.startswith(_FORMULA) + printable(text)
    return text


def few(items: Sequence[str]) -> list[str]:
    """Return the first ten of many items, and how many more there are."""
    more = len(items) - _FEW
    return [*items[:_FEW], f"and {more:,} more"] if more > 0 else list(items)
