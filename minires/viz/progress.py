"""`minires.progress`: how far a run is, shown in a terminal, in a notebook or in a file."""

import sys
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ..arguments import shown
from ..errors import UsageError
from .style import depth_colours, figure_bytes, new_figure, own_style, style_axes

if TYPE_CHECKING:  # importing minires stays quick
    from ..runs.autosave import Event
    from ..train import Progress, Row, Trainer

_EXPECTED = "progress shows the events of a run, minires.progress(run.run()); got {}"
_PAUSE = 20  # times what drawing takes, from one drawing to the next: it costs a run a twentieth


E = TypeVar("E", bound="Event")


def progress(events: Iterable[E]) -> Iterator[E]:
    """Yield the events of a run, and show how far its trainings are.

        for event in minires.progress(run.run()):
            ...

    In a terminal each training has a bar; in a notebook there are the errors so far as curves, and
    the time left; elsewhere there is a line for each epoch.

    Args:
        events: what `run()` of a `Degradation` or a `Finetune` yields.

    Raises:
        UsageError: they are not such events.
    """
    if not isinstance(events, Iterable):
        raise UsageError(_EXPECTED.format(shown(events)))
    return _shown(events)


def _shown(events: Iterable[E]) -> Iterator[E]:
    with _display() as display:
        for event in events:
            if not hasattr(event, "trainer"):
                raise UsageError(_EXPECTED.format(shown(event)))
            display.show(event.trainer, event.progress)
            yield event


def _display() -> Any:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if hasattr(shell, "kernel"):
        return Curves()
    from rich.console import Console

    from .live import LiveDisplay

    return LiveDisplay(Console())


class Curves:
    """In a notebook: errors over epochs, drawn again as they come, below the time left."""

    def __init__(self) -> None:
        from IPython.display import display

        show: Any = display
        self._handle = show({"text/plain": "training ..."}, raw=True, display_id=True)
        self._rows: dict[str, list[Row]] = {}
        self._label = ""
        self._began, self._first, self._due = 0.0, 0, 0.0
        self._title = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._draw()

    def show(self, trainer: "Trainer", step: "Progress | None") -> None:
        """Add what a step tells; `step` is None for a training that was found finished."""
        now = time.monotonic()
        if trainer.label != self._label:
            self._label, self._began, self._first = trainer.label, now, trainer.iteration
        self._rows[trainer.label] = trainer.rows
        total, done = trainer.recipe.iterations, trainer.iteration - self._first
        left = (total - trainer.iteration) * (now - self._began) / done if done else 0
        text = f", {timedelta(seconds=round(left))} left" if left else ""
        self._title = f"{trainer.label}: {trainer.iteration / total:.0%}{text}"
        if now >= self._due:
            self._draw()
            self._due = now + _PAUSE * (time.monotonic() - now)

    def _draw(self) -> None:
        last = [rows[-1] for rows in self._rows.values() if rows]
        lines = [
            f"{row.net}, seed {row.seed}: epoch {row.epoch:g}, "
            f"training error {row.train_error:.1f} %, test error {row.test_error:.1f} %"
            for row in last
        ]
        data: dict[str, Any] = {"text/plain": "\n".join(lines) or self._title}
        if last:
            data["image/png"] = curves_figure(self._rows, self._title)
        self._handle.update(data, raw=True)


@own_style
def curves_figure(rows: "dict[str, list[Row]]", title: str) -> bytes:
    """Return a PNG of training errors (dashed) and test errors (solid) over epochs.

    Args:
        rows: of each training, by the name that the legend has for it.
        title: of the figure.
    """
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(7, 3, 90)
    axes = figure.subplots()
    colours = depth_colours(range(len(rows)))
    for number, (label, of_one) in enumerate(rows.items()):
        epochs = [row.epoch for row in of_one]
        how: dict[str, Any] = {"color": colours[number], "marker": "o" if len(epochs) == 1 else ""}
        axes.plot(epochs, [row.train_error for row in of_one], "--", lw=1.3, **how)
        axes.plot(epochs, [row.test_error for row in of_one], lw=2.2, label=label, **how)
    style_axes(axes, title, xlabel="epochs", ylabel="error (%)", xlim=(0, None), ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    how = {"title": "training dashed, test solid", "title_fontsize": 9, "alignment": "left"}
    axes.legend(frameon=False, fontsize=9, loc="best", **how)
    return figure_bytes(figure, "png")
