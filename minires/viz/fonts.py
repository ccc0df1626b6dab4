"""Fonts for the names that users give to classes, in any script."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from ..text import printable

_LONGEST = 24


def one_line(name: str, longest: int = _LONGEST) -> str:
    """Return a name without line breaks and control characters, cut to `longest` characters."""
    name = printable(" ".join(name.split()))
    return name if len(name) <= longest else name[: longest - 1] + "…"


def drawable(
    names: Sequence[str], others: Sequence[str] | None = None
) -> tuple[list[str], list[str]]:
    """Return the names as a figure can show them, and the font families that have their letters.

    Matplotlib's own font lacks many scripts, such as Chinese; the system's fonts are searched for
    these.

    Args:
        names: those to be shown.
        others: replacements for names that no font can show; "no. 0", "no. 1", ... by default.
    """
    shown = [one_line(name) for name in names]
    families = ["DejaVu Sans"]
    missing = {letter for name in shown for letter in name} - _letters(_path("DejaVu Sans"))
    if missing:
        for family, path in _installed():
            found = missing & _letters(path)
            if found:
                families.append(family)
                missing -= found
    pairs = zip(shown, others or [f"no. {i}" for i in range(len(names))], strict=True)
    return [other if set(name) & missing else name for name, other in pairs], families


def _path(family: str) -> str:
    from matplotlib.font_manager import findfont

    return str(findfont(family))


def _installed() -> list[tuple[str, str]]:
    """Return families and files of the system's upright fonts of regular weight."""
    from matplotlib.font_manager import fontManager

    # Matplotlib's last resort font draws a box for every letter.
    fonts = [f for f in fontManager.ttflist if f.style == "normal" and "Last Resort" not in f.name]
    return sorted({(font.name, font.fname) for font in fonts if font.weight in (400, "normal")})


@cache
def _letters(path: str) -> frozenset[str]:
    """Return the characters that a font file has."""
    from matplotlib.ft2font import FT2Font

    try:
        font: Any = FT2Font(path)
        return frozenset(map(chr, font.get_charmap()))
    except (OSError, RuntimeError):  # the file was removed, or is no font
        return frozenset()
