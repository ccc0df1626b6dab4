"""Learning curves, drawn as figure 6 of He et al. 2015."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..models.cifar import parse_name
from ..train import Row

# Light to dark with depth, so that the order can be seen in grey; apart in hue as well for
# every common kind of colour blindness (a selection of the cividis and viridis range).
_COLOURS = ("#d9a300", "#2a9d8f", "#3b5bdb", "#5f2167", "#101010")
_KINDS = (("plain", "plain nets"), ("resnet", "residual nets"))


def degradation_figure(runs: Sequence[tuple[str, Sequence[Row]]], dpi: int = 150) -> bytes:
    """Training error (dashed) and test error (solid) against iterations, as a PNG file.

    Plain nets on the left, residual nets on the right, one colour a depth; with several
    seeds the line is their mean and the band reaches from the lowest to the highest.

    Args:
        runs: (title, rows) of each run; a run is one row of panels.
        dpi: dots an inch; the figure is 10 inches wide.
    """
    from matplotlib.figure import Figure  # here, so that importing minires stays quick

    figure = Figure(figsize=(10, 0.7 + 3.9 * len(runs)), dpi=dpi, layout="constrained")
    grid = figure.subplots(len(runs), 2, sharey="row", squeeze=False)
    for axes_pair, (title, rows) in zip(grid, runs, strict=True):
        depths = sorted({parse_name(row.net)[1] for row in rows})
        for axes, (kind, label) in zip(axes_pair, _KINDS, strict=True):
            nets = sorted({r.net for r in rows if parse_name(r.net)[0] == kind}, key=len)
            for net in sorted(nets, key=lambda name: parse_name(name)[1]):
                colour = _COLOURS[min(depths.index(parse_name(net)[1]), len(_COLOURS) - 1)]
                _draw_net(axes, [row for row in rows if row.net == net], net, colour)
            _dress(axes, f"{title}: {label}", drawn=bool(nets))
        axes_pair[0].set_ylabel("error (%)")
    figure.suptitle("training error dashed, test error solid", fontsize=10, color="#444444")
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()


def _draw_net(axes: Any, rows: Sequence[Row], net: str, colour: str) -> None:
    """One net: mean over its seeds, and their range as a band."""
    for column, style, label in (
        ("train_error", "--", None),
        ("test_error", "-", f"{parse_name(net)[1]} layers"),
    ):
        x, errors = _by_iteration(rows, column)
        wide = 2.2 if style == "-" else 1.3
        axes.plot(x, errors.mean(axis=0), style, color=colour, lw=wide, label=label)
        if len(errors) > 1:
            low, high = errors.min(axis=0), errors.max(axis=0)
            axes.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)


def _by_iteration(rows: Sequence[Row], column: str) -> tuple[list[int], Any]:
    """The iterations that every seed has reached, and the values there: (seeds, iterations)."""
    by_seed: dict[int, dict[int, float]] = {}
    for row in rows:
        by_seed.setdefault(row.seed, {})[row.iteration] = getattr(row, column)
    x = sorted(set.intersection(*(set(values) for values in by_seed.values())))
    return x, np.array([[values[i] for i in x] for values in by_seed.values()])


def _dress(axes: Any, title: str, drawn: bool) -> None:
    axes.set_title(title, fontsize=11)
    axes.set_xlabel("iterations")
    axes.set_ylim(0, None)
    axes.set_xlim(0, None)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if drawn:
        axes.legend(frameon=False, loc="upper right")
    else:
        axes.text(0.5, 0.5, "none trained", ha="center", transform=axes.transAxes, color="#777777")
