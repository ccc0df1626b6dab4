"""A page of the pictures that a net took for something else: a single HTML file."""

import base64
import html
import io
from collections.abc import Iterable
from importlib import resources
from string import Template
from typing import NamedTuple

from PIL import Image

from ..inspect.step_page import Page

SIDE = 220  # pixels of a small picture, at most


class Mistake(NamedTuple):
    """A picture, where it is, what it is, what it was taken for, and how surely."""

    picture: Image.Image
    path: str
    label: str
    guess: str
    probability: float


def mistakes_page(mistakes: Iterable[Mistake], title: str, note: str = "") -> Page:
    """The page, with the mistakes in the order in which they are given.

    Args:
        mistakes: with pictures of any size; they are made small.
        title: of the page.
        note: a sentence under it.
    """
    folder = resources.files(__package__) / "page"
    frame = Template((folder / "mistakes.html").read_text(encoding="utf-8"))
    return Page(
        frame.substitute(
            title=html.escape(title),
            css=(folder / "mistakes.css").read_text(encoding="utf-8"),
            note=html.escape(note),
            items="\n".join(map(_item, mistakes)),
        )
    )


def _item(mistake: Mistake) -> str:
    path, label, guess = (html.escape(text) for text in mistake[1:4])
    surely = f"{100 * mistake.probability:.1f} %"
    small = mistake.picture.copy()
    small.thumbnail((SIDE, SIDE))
    tiny = ' class="tiny"' if max(small.size) < SIDE / 2 else ""
    return (
        f'<li><img{tiny} src="{_data(small)}" alt="{label}" loading="lazy">\n'
        f"<dl><dt>is</dt><dd>{label}</dd>"
        f'<dt>taken for</dt><dd class="guess">{guess}, {surely}</dd></dl>\n'
        f"<small>{path}</small></li>"
    )


def _data(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
