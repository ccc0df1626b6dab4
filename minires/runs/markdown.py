"""Markdown for the reports in run folders."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from string import Formatter
from typing import Any


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table.

    Args:
        columns: the heads of the columns.
        rows: the cells of each row, as many as there are columns; a "|" is escaped.
    """
    lines = [columns, ["---"] * len(columns), *rows]
    escaped = ([cell.replace("|", "\\|") for cell in cells] for cells in lines)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in escaped)


def fill_template(path: Path, **fields: Any) -> str:
    """Return the text of a Markdown file with fields in braces, filled by `str.format`.

    Args:
        path: the file; a paragraph that begins with "[field] " is left out unless that is true.
        fields: by name.
    """
    paragraphs = []
    for paragraph in path.read_text(encoding="utf-8").strip().split("\n\n"):
        condition, text = re.findall(r"\A(?:\[([\w.]+)\] )?(.*)\Z", paragraph, re.DOTALL)[0]
        if not condition or Formatter().get_field(condition, (), fields)[0]:
            paragraphs.append(text.format(**fields))
    return "\n\n".join(paragraphs) + "\n"
