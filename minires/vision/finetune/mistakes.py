"""A page of the validation images that were predicted wrongly: a single HTML file."""

import base64
import io
from importlib import resources

from ...pages import page
from ...text import html_text
from ..decoding import decode
from .results import Outcome, Result

SIDE = 220  # pixels of a small image, at most
MAX_MISTAKES = 200  # on a page, which takes some 10 kB for each


def mistakes_page(result: Result) -> str:
    """Return the page as HTML, in descending order of probability; raise as `decode`."""
    wrong = result.mistakes
    shown = wrong[:MAX_MISTAKES]
    first = f" The first {len(shown)} are shown." if len(shown) < len(wrong) else ""
    title = f"{len(wrong):,} mistakes in {len(result.outcomes):,} images of "
    note = (
        "Validation images that were predicted as another class, in descending order of the "
        f"probability of the predicted class.{first} The first ones are often images in the wrong "
        "folder."
    )
    return page(
        resources.files(__package__) / "page",
        "mistakes",
        title=html_text(title + result.folder.root.name),
        note=note,
        items="\n".join(_item(outcome, result) for outcome in shown),
    )


def _item(outcome: Outcome, result: Result) -> str:
    names = result.folder.classes
    label, predicted = (html_text(names[i]) for i in (outcome.label, outcome.predicted))
    probability = f"{100 * outcome.probability:.1f} %"
    small = decode(result.folder.root / outcome.path, SIDE)
    small.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=85)
    data = base64.b64encode(file.getvalue()).decode()
    tiny = ' class="tiny"' if max(small.size) < SIDE / 2 else ""
    return (
        f'<li><img{tiny} src="data:image/jpeg;base64,{data}" alt="{label}" loading="lazy">\n'
        f"<dl><dt>class</dt><dd>{label}</dd>"
        f'<dt>predicted</dt><dd class="predicted">{predicted}, {probability}</dd></dl>\n'
        f"<small>{html_text(outcome.path)}</small></li>"
    )
