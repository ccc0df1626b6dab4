"""The style of all figures: colours, axes, headline, and the image file."""

import io
import textwrap
from collections.abc import Callable, Iterable
from functools import wraps
from itertools import count
from typing import Any, ParamSpec, TypeVar

import numpy as np

from ..text import printable

GREY = "#444444"

P = ParamSpec("P")
T = TypeVar("T")


def own_style(draw: Callable[P, T]) -> Callable[P, T]:
    """Return a function that draws by Matplotlib's defaults and what it sets itself alone.

    Otherwise a user's matplotlibrc would show: `text.usetex`, `savefig.dpi`, a dark background.
    """

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> T:
        from matplotlib import style  # here, so that importing minires stays quick

        with style.context("default"):
            return draw(*args, **kwargs)

    return drawn


def shades(count: int) -> list[Any]:
    """Return colours from light to dark: their order shows in grey and to the colour-blind."""
    from matplotlib import colormaps

    return list(map(tuple, colormaps["viridis"](np.linspace(0.72, 0.0, count))))


def signed_colours() -> Any:
    """Return the colour map of values around 0: blue below, the same grey at 0, orange above."""
    from matplotlib.colors import LinearSegmentedColormap

    parts = ["#123a7a", "#5b8fd6", "#dadada", "#e08a4f", "#8a2f06"]
    return LinearSegmentedColormap.from_list("signed", parts)


def depth_colours(depths: Iterable[int]) -> dict[int, Any]:
    """Return a colour for each depth, darker with depth."""
    ordered = sorted(set(depths))
    return dict(zip(ordered, shades(len(ordered)), strict=True))


def new_figure(width: float, height: float, dpi: int) -> Any:
    """Return an empty figure whose parts are laid out without overlap; sizes in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=dpi, layout="constrained")


def style_axes(axes: Any, title: str, **properties: Any) -> None:
    """Give axes a title, a light grid, no frame above and on the right, and other properties."""
    axes.set_title(printable(title), fontsize=11, parse_math=False)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set(**properties)


def headline(figure: Any, text: str) -> None:
    """Write a sentence above all panels: the fewest lines that fit, of about equal length."""
    text = printable(text)
    lines = textwrap.wrap(text, int(13 * figure.get_figwidth()))
    for width in count(len(text) // max(1, len(lines))):
        equal = textwrap.wrap(text, width or 1)
        if len(equal) <= len(lines):
            break
    figure.suptitle("\n".join(equal), fontsize=10, color=GREY, parse_math=False)


class Drawn(bytes):
    """The content of an image file, which a notebook shows; as a text it is one line."""

    def _repr_png_(self) -> bytes | None:
        return bytes(self) if self.startswith(b"\x89PNG") else None

    def _repr_svg_(self) -> str | None:
        return self.decode() if b"<svg" in self[:1000] else None

    def __repr__(self) -> str:
        kinds = {b"\x89PNG": "PNG", b"<?xml": "SVG", b"%PDF": "PDF"}
        kind = next(kind for start, kind in kinds.items() if self.startswith(start))
        return f"a figure ({kind}, {len(self):,} bytes)"

    __str__ = __repr__


def figure_bytes(figure: Any, form: str) -> Drawn:
    """Return the content of an image file of a figure; `form` is "png", "svg" or "pdf"."""
    file = io.BytesIO()
    figure.savefig(file, format=form)
    return Drawn(file.getvalue())
