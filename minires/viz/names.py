"""Names that users give to classes, as pictures can show them."""

from collections.abc import Sequence
from functools import cache
from typing import Any

_LONGEST = 24


def one_line(name: str, longest: int = _LONGEST) -> str:
    """A name without line breaks, cut where it is too long."""
    name = " ".join(name.split())
    return name if len(name) <= longest else name[: longest - 1] + "…"


def drawable(
    names: Sequence[str], others: Sequence[str] | None = None
) -> tuple[list[str], list[str]]:
    """The names as a figure can show them, and the font families that have their letters.

    Matplotlib's own font has no Chinese, to name one; then the system's fonts are looked through.
    In place of a name that no font can show is what `others` has there, "no. 0" and so on by
    default.
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
    """Families and files of the system's upright fonts of usual weight."""
    from matplotlib.font_manager import fontManager

    # Matplotlib's last resort has a box for every letter.
    fonts = [f for f in fontManager.ttflist if f.style == "normal" and "Last Resort" not in f.name]
    return sorted({(font.name, font.fname) for font in fonts if font.weight in (400, "normal")})


@cache
def _letters(path: str) -> frozenset[str]:
    """The characters that a font file has."""
    from matplotlib.ft2font import FT2Font

    try:
        font: Any = FT2Font(path)
        return frozenset(map(chr, font.get_charmap()))
    except (OSError, RuntimeError):  # a file that was removed, or is no font
        return frozenset()
