"""A page of the validation images that were predicted wrongly: a single HTML file."""

import base64
import html
import io
from importlib import resources
from string import Template

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
    folder = resources.files(__package__) / "page"
    frame = Template((folder / "mistakes.html").read_text(encoding="utf-8"))
    return frame.substitute(
        title=html.escape(title + result.folder.root.name),
        css=(folder / "mistakes.css").read_text(encoding="utf-8"),
        note=note,
        items="\n".join(_item(outcome, result) for outcome in shown),
    )


def _item(outcome: Outcome, result: Result) -> str:
    names = result.folder.classes
    label, predicted = (html.escape(names[i]) for i in (outcome.label, outcome.predicted))
    probability = f"{100 * outcome.probability:.1f} %"
    small = decode(result.folder.root / outcome.path)
    small.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=85)
    data = base64.b64encode(file.getvalue()).decode()
    tiny = ' class="tiny"' if max(small.size) < SIDE / 2 else ""
    return (
        f'<li><img{tiny} src="data:image/jpeg;base64,{data}" alt="{label}" loading="lazy">\n'
        f"<dl><dt>class</dt><dd>{label}</dd>"
        f'<dt>predicted</dt><dd class="predicted">{predicted}, {probability}</dd></dl>\n'
        f"<small>{html.escape(outcome.path)}</small></li>"
    )
