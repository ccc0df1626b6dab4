"""The figure of the degradation experiment: learning curves, as figure 6 of He et al. 2015."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...train import Row
from ...viz.style import depth_colours, figure_bytes, headline, new_figure, own_style, style_axes
from . import published as publications
from .comparison import KINDS, by_net

_PANEL = 5.0  # inches wide


@own_style
def degradation_figure(
    runs: Sequence[tuple[str, Sequence[Row]]],
    form: str = "png",
    dpi: int = 150,
    published: bool = False,
) -> bytes:
    """Return an image file of training error (dashed) and test error (solid) over iterations.

    There is a panel for each kind of net that was trained, plain nets on the left, and one colour
    for each depth. With several seeds the line is their mean and the band their range.

    Args:
        runs: (title, rows) of each run; a run is one row of panels.
        form: "png", "svg" or "pdf".
        dpi: dots an inch; a panel is 5 inches wide.
        published: draw the published curves of the same nets behind them, as far as the run has
            come; they fit runs on CIFAR-10 by the paper's schedule.
    """
    nets = [by_net(rows) for _, rows in runs]
    kinds = [kind for kind in KINDS if any(net.kind == kind for run in nets for net in run)]
    figure = new_figure(_PANEL * len(kinds), 0.7 + 3.9 * len(runs), dpi)
    grid = figure.subplots(len(runs), len(kinds), sharey="row", squeeze=False)
    for panels, (title, rows), of_net in zip(grid, runs, nets, strict=True):
        colours = depth_colours(net.depth for net in of_net)
        for axes, kind in zip(panels, kinds, strict=True):
            drawn = sorted((net for net in of_net if net.kind == kind), key=lambda net: net.depth)
            for net in drawn:
                _draw_net(axes, of_net[net], f"{net.depth} layers", colours[net.depth])
            if published:
                _draw_published(axes, list(map(str, drawn)), rows)
            _style_panel(axes, f"{title}: {KINDS[kind]}", drawn=bool(drawn))
        panels[0].set_ylabel("error (%)")
    sentence = "training error dashed, test error solid"
    if published:
        sentence += f"; dotted grey, training thin and test thick: {publications.SOURCE}"
    headline(figure, sentence)
    return figure_bytes(figure, form)


def _draw_net(axes: Any, rows: Sequence[Row], label: str, colour: Any) -> None:
    """Draw one net: the mean over its seeds, and their range as a band."""
    looks = (("train_error", "--", 1.3, None), ("test_error", "-", 2.2, label))
    for column, style, width, name in looks:
        x, errors = _by_iteration(rows, column)
        dot = "o" if len(x) == 1 else ""  # one point makes no line
        axes.plot(x, errors.mean(axis=0), style, marker=dot, color=colour, lw=width, label=name)
        if len(errors) > 1:
            low, high = errors.min(axis=0), errors.max(axis=0)
            axes.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)


def _draw_published(axes: Any, nets: Sequence[str], rows: Sequence[Row]) -> None:
    """Draw the published curves of nets, dotted and grey, darker with depth; one name for all."""
    last, epoch = max(row.iteration for row in rows), publications.ITERATIONS
    label: str | None = publications.NAME
    for number, net in enumerate(nets, start=1):
        # With the epoch that the run ends in: 64,000 iterations are not quite 164 of them.
        known = [row for row in publications.curve(net) if (row.epoch - 1) * epoch < last]
        x = [row.epoch * epoch for row in known]
        grey = str(0.7 - 0.4 * number / len(nets))
        for column, width in (("train_error", 0.8), ("test_error", 1.4)) if known else ():
            errors = [getattr(row, column) for row in known]
            axes.plot(x, errors, ":", color=grey, lw=width, label=label, zorder=1)
            label = None


def _by_iteration(rows: Sequence[Row], column: str) -> tuple[list[int], Any]:
    """Return the iterations that every seed has reached, and the values: (seeds, iterations)."""
    by_seed: dict[int, dict[int, float]] = {}
    for row in rows:
        by_seed.setdefault(row.seed, {})[row.iteration] = getattr(row, column)
    x = sorted(set.intersection(*(set(values) for values in by_seed.values())))
    return x, np.array([[values[i] for i in x] for values in by_seed.values()])


def _style_panel(axes: Any, title: str, drawn: bool) -> None:
    style_axes(axes, title, xlabel="iterations", xlim=(0, None), ylim=(0, None))
    if drawn:
        axes.legend(frameon=False, loc="best")
    else:
        axes.text(0.5, 0.5, "none trained", ha="center", transform=axes.transAxes, color="#777777")
