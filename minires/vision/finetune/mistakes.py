"""A page of the validation images that were predicted wrongly: a single HTML file."""

import base64
import html
import io
from collections.abc import Iterable
from importlib import resources
from string import Template
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from PIL import Image

SIDE = 220  # pixels of a small image, at most


class Mistake(NamedTuple):
    """An image, its path, its class, the predicted class, and the probability of the latter."""

    image: "Image.Image"
    path: str
    label: str
    predicted: str
    probability: float


def mistakes_page(mistakes: Iterable[Mistake], title: str, note: str = "") -> str:
    """Return the page as HTML, with the mistakes in the order in which they are given.

    Args:
        mistakes: with images of any size; they are made small.
        title: of the page.
        note: a sentence under it.
    """
    folder = resources.files(__package__) / "page"
    frame = Template((folder / "mistakes.html").read_text(encoding="utf-8"))
    return frame.substitute(
        title=html.escape(title),
        css=(folder / "mistakes.css").read_text(encoding="utf-8"),
        note=html.escape(note),
        items="\n".join(map(_item, mistakes)),
    )


def _item(mistake: Mistake) -> str:
    path, label, predicted = (html.escape(text) for text in mistake[1:4])
    probability = f"{100 * mistake.probability:.1f} %"
    small = mistake.image.copy()
    small.thumbnail((SIDE, SIDE))
    tiny = ' class="tiny"' if max(small.size) < SIDE / 2 else ""
    return (
        f'<li><img{tiny} src="{_data(small)}" alt="{label}" loading="lazy">\n'
        f"<dl><dt>class</dt><dd>{label}</dd>"
        f'<dt>predicted</dt><dd class="predicted">{predicted}, {probability}</dd></dl>\n'
        f"<small>{path}</small></li>"
    )


def _data(image: "Image.Image") -> str:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
