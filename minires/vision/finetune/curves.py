"""Draw the learning curves of a fine-tuning run."""

from collections.abc import Sequence
from typing import Any

from ...train import Row
from ...viz.fonts import drawable
from ...viz.style import figure_bytes, own_style, style_axes

_DARK, _LIGHT = "#440154", "#35b779"  # the ends of viridis, far apart in grey too


@own_style
def curves_figure(rows: Sequence[Row], best: Row, model: str, data: str, dpi: int = 150) -> bytes:
    """Draw loss, and accuracy on training and validation images, by epoch.

    Args:
        rows: one an epoch.
        best: the row whose weights are kept, which is marked.
        model, data: their names, for the title.
        dpi: dots an inch; the figure is 9 inches wide.

    Returns:
        A PNG file.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(9, 3.8), dpi=dpi, layout="constrained")
    left, right = figure.subplots(1, 2)
    dot = "o" if len(rows) == 1 else ""  # one point makes no line
    training: Any = {"marker": dot, "color": _LIGHT, "lw": 2, "ls": "--", "label": "training"}
    validation: Any = {"marker": dot, "color": _DARK, "lw": 2, "label": "validation"}
    epochs = [row.epoch for row in rows]
    left.plot(epochs, [row.train_loss for row in rows], **training)
    left.set_ylabel("loss (cross-entropy, nats)")
    left.set_ylim(0, None)
    right.plot(epochs, [100 - row.train_error for row in rows], **training)
    right.plot(epochs, [100 - row.test_error for row in rows], **validation)
    accuracy = 100 - best.test_error
    label = f"best: {accuracy:.1f} %, epoch {best.epoch:g}"
    right.plot([best.epoch], [accuracy], "o", ms=9, mfc="none", mew=1.6, color=_DARK, label=label)
    right.set_ylabel("accuracy (%)")
    right.set_ylim(None, 102)
    for axes in (left, right):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        style_axes(axes, "")
        axes.legend(frameon=False, loc="best")
    (shown,), families = drawable([data], ["images"])
    title = f"{model} on {shown}"
    figure.suptitle(title, fontsize=11, fontfamily=families, parse_math=False)
    return figure_bytes(figure, "png")
