"""A page that steps through one training step, operation by operation: a single HTML file.

Its HTML, CSS and JavaScript are in `page/`; this module turns a `Trace` into their data, as JSON.
"""

import base64
import html
import inspect
import json
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from ..autograd import Op
from ..backend import Array
from ..files import write_atomically
from ..ops.conv import Conv2d
from ..ops.pool import MaxPool2d
from ..pages import page
from ..text import html_text, printable
from .graph import is_addition
from .trace import Record, Summary, Trace

_BLOCK = 2  # parts of a module's path that make a block: "layer1.0"
_DIGITS = 4
_FOLDER = resources.files(__package__) / "page"
_SCRIPTS = ("dom", "text", "images", "inside", "graph", "cards", "chart")  # before page.js
TEXTS: dict[str, dict[str, str]] = {
    language: json.loads((_FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    for language in ("en", "zh")
}


@dataclass(frozen=True)
class Page:
    """A page: `save` writes it to a file; a notebook shows it in a frame."""

    html: str

    def save(self, path: str | Path) -> None:
        """Write the page; an existing file is replaced as a whole."""
        write_atomically(path, self.html.encode(errors="backslashreplace"))

    def _repr_html_(self) -> str:
        inside = html.escape(self.html, quote=True)
        style = "width:100%;height:820px;border:1px solid #ccc;border-radius:8px"
        return f'<iframe srcdoc="{inside}" style="{style}" title="made by minires"></iframe>'


def step_page(
    traces: Sequence[tuple[str, Trace]],
    title: str | Mapping[str, str],
    footer: str | Mapping[str, str] = "",
    classes: Sequence[str] = (),
    factors: Sequence[Sequence[tuple[str, float]]] = (),
) -> Page:
    """Return the page of one model, or of two side by side, in English and Chinese.

    Args:
        traces: a name and the trace of each model.
        title: of the page; one text, or one for each language, "en" and "zh".
        footer: a sentence about models and data, likewise.
        classes: the names of the labels 0, 1, ...; their numbers by default.
        factors: in a page whose gradients can be changed, a name for each operation of each model,
            and what the gradients that it hands on are multiplied by. The page then dispatches an
            event "factor" where another one is chosen.
    """
    kinds = {type(r.op): r.op for _, trace in traces for r in trace.records}
    own = {"title": _in_each(title), "footer": _in_each(footer)}
    data = {
        "texts": {
            language: texts | {key: text[language] for key, text in own.items()}
            for language, texts in TEXTS.items()
        },
        "nets": [_net(name, trace, classes) for name, trace in traces],
        "factors": factors,
        "walk": _walk([trace.records for _, trace in traces]),
        "kinds": {op.name: _kind(op) for op in kinds.values()},
    }
    # In a script "<" may begin a tag that ends it; in JSON it can be written in another way.
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    fields = {key: html_text(text["en"]) for key, text in own.items()}
    return Page(page(_FOLDER, "page", _SCRIPTS, **fields, data=text))


def _in_each(text: str | Mapping[str, str]) -> Mapping[str, str]:
    return dict.fromkeys(TEXTS, printable(text)) if isinstance(text, str) else text


def bytes_of(shape: tuple[int, ...], channels: int) -> int:
    """Return about how many bytes an operation with an output of `shape` takes on a page."""
    maps = math.prod((min(shape[1], channels), *shape[2:])) if len(shape) > 1 else 0
    return 1500 + 2 * maps * 4 // 3  # its numbers; outputs and gradients, in base64


def _net(name: str, trace: Trace, classes: Sequence[str]) -> dict[str, Any]:
    number = len(trace.probabilities)
    return {
        "name": name,
        "loss": _rounded(trace.loss),
        "image": trace.image and _summary(trace.image, signed=False),
        "label": trace.label,
        "classes": list(classes or map(str, range(number))),
        "probabilities": list(map(_rounded, trace.probabilities)),
        "ops": [_operation(r) for r in trace.records],
    }


def _operation(r: Record) -> dict[str, Any]:
    parts = r.op.path.split(".")
    file, line = r.op.line
    return {
        "name": r.op.name,
        "path": r.op.path,
        "block": ".".join(parts[:_BLOCK]) if len(parts) >= _BLOCK else None,
        "line": f"{Path(file).name}:{line}",
        "inputs": [i for i in r.inputs if i is not None],
        "input_shapes": r.input_shapes,
        "shape": r.shape,
        "addition": is_addition(r.op, r.inputs),
        "inside": _inside(r),
        "output": _summary(r.output, signed=False),
        "gradient": r.gradient and _summary(r.gradient, signed=True),
        "input_gradients": [
            {"name": g.name, "label": g.label, "norm": _rounded(g.norm), "added": g.added}
            for g in r.input_gradients
        ],
        "alone": {left: _rounded(size) for left, size in r.alone.items()},
        "seconds": _rounded(r.seconds),
    }


def _summary(s: Summary, signed: bool) -> dict[str, Any]:
    numbers = {key: _rounded(getattr(s, key)) for key in ("norm", "mean", "std", "low", "high")}
    maps = s.maps if s.maps is None else maps_of(s.maps, signed)
    return {**numbers, "histogram": s.histogram, "maps": maps}


def maps_of(maps: Array, signed: bool) -> dict[str, Any]:
    """Return feature maps (channels, height, width) as `valueAt` of the pages reads them.

    They are bytes in base64 between two ends, the lowest and the highest value; signed ones have 0
    in the middle. Where some values are not finite, `gaps` has a bit for each, 1 for those.
    """
    gaps = ~np.isfinite(maps)
    finite = np.where(gaps, 0, np.asarray(maps, np.float64))
    low, high = _ends(finite, signed)
    levels = np.rint(255 * (finite - low) / (high - low or 1.0)).astype(np.uint8)
    shown = {"shape": maps.shape, "data": _text(levels), "ends": [_rounded(low), _rounded(high)]}
    return shown | {"gaps": _text(np.packbits(gaps))} if gaps.any() else shown


def _text(array: Array) -> str:
    return base64.b64encode(array.tobytes()).decode()


def _inside(r: Record) -> dict[str, Any]:
    """Return the parts of an operation, and where its windows lie.

    Kernels (O, C, kh, kw) are one map with O rows and C columns of them.
    """
    inside: dict[str, Any] = {}
    for name, part in r.parts.items():
        if name == "winner":
            inside[name] = part.tolist()
        elif part.ndim == 1:
            inside[name] = list(map(_rounded, part.tolist()))
        else:
            O, C, kh, kw = part.shape
            rows = part.transpose(0, 2, 1, 3).reshape(1, O * kh, C * kw)
            inside |= {name: maps_of(rows, signed=True), "kernel": (kh, kw)}
    if isinstance(r.op, MaxPool2d):
        inside["kernel"] = r.op.kernel_size
    if isinstance(r.op, Conv2d | MaxPool2d):
        inside |= {"stride": r.op.stride, "padding": r.op.padding}
    return inside


def _ends(maps: Array, signed: bool) -> tuple[float, float]:
    """Return the values of the bytes 0 and 255."""
    if signed:
        most = float(np.abs(maps).max()) or 1.0
        return -most, most
    return float(maps.min()), float(maps.max())


def _kind(op: Op) -> dict[str, Any]:
    """Return the formula of an operation and its two short functions."""
    return {
        "formula": _reflowed(inspect.cleandoc(op.__doc__ or "")),
        "forward": _source(type(op).forward),
        "backward": _source(type(op).backward),
        "inputs": op.input_names,
    }


def _reflowed(text: str) -> str:
    """Return paragraphs as one line each, for a page of any width; indented ones as they are."""
    paragraphs = text.split("\n\n")
    return "\n\n".join(p if p.startswith(" ") else " ".join(p.split("\n")) for p in paragraphs)


def _source(function: Any) -> str:
    try:
        return textwrap.dedent(inspect.getsource(function)).rstrip()
    except (OSError, TypeError):  # made without a file, as in an interactive session
        return "the source is not available"


def _walk(models: Sequence[Sequence[Record]]) -> list[dict[str, Any]]:
    """Return the steps of the walk: which operation of each model runs, None for one that waits.

    Forward through all operations and back again. Two models walk together: an operation that only
    one of them has, such as a residual addition, makes the other one wait.
    """
    keys = [[(r.op.name, r.op.path) for r in records] for records in models]
    ahead: list[list[int | None]] = []
    if len(keys) == 1:
        ahead = [[i] for i in range(len(keys[0]))]
    else:
        both = SequenceMatcher(None, keys[0], keys[1], autojunk=False)
        for tag, a0, a1, b0, b1 in both.get_opcodes():
            if tag == "equal":
                ahead += [[a0 + k, b0 + k] for k in range(a1 - a0)]
            else:
                ahead += [[i, None] for i in range(a0, a1)] + [[None, j] for j in range(b0, b1)]
    return [{"phase": "forward", "at": at} for at in ahead] + [
        {"phase": "backward", "at": at} for at in reversed(ahead)
    ]


def _rounded(x: float) -> float | None:
    """Return a number with few digits, or None (JSON's null) for one that is not finite."""
    return float(f"{x:.{_DIGITS}g}") if math.isfinite(x) else None
