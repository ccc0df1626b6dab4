"""The progress of a training on a terminal, or as plain lines elsewhere."""

from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ..train import Progress as TrainingStep
from ..train import Row, Trainer


class LiveDisplay:
    """A bar for each training: net, epoch, loss, errors, time left.

    Where the output is not a terminal, there is a line for each epoch instead.

    Args:
        console: where it is shown.
        accuracy: show accuracies, in %, instead of errors.
        test: the name of the images that are tested on.
    """

    def __init__(self, console: Console, accuracy: bool = False, test: str = "test") -> None:
        self.console = console
        self._accuracy = accuracy
        self._test = test
        self._tasks: dict[tuple[int, str], TaskID] = {}
        self._bars = Progress(
            TextColumn("[bold]{task.description}"),
            TextColumn("epoch {task.fields[epoch]:>4}"),
            BarColumn(bar_width=max(4, min(30, console.width - 76))),
            TextColumn("loss {task.fields[loss]:>5}"),
            TextColumn("train {task.fields[train]:>4} %"),
            TextColumn(f"{test} {{task.fields[test]:>4}} %{' right' * accuracy}"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
            disable=not console.is_terminal,
            speed_estimate_period=120,
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._bars.stop()

    def show(self, trainer: Trainer, step: TrainingStep | None) -> None:
        """Update the bar of a training; `step` is None for one that was found finished."""
        key = trainer.seed, trainer.net
        total = trainer.recipe.iterations
        if key not in self._tasks:
            label = f"{trainer.net:<8} seed {trainer.seed}"
            empty: dict[str, Any] = dict.fromkeys(("epoch", "loss", "train", "test"), "")
            done = trainer.iteration  # a resumed training's bar begins there
            self._tasks[key] = self._bars.add_task(label, total=total, completed=done, **empty)
        row = step.row if step else trainer.rows[-1]
        if row is not None:
            self._show(key, row)
            self._bars.update(self._tasks[key], test=f"{self._measure(row.test_error):.1f}")
            if not self.console.is_terminal:
                self.console.print(self._line(row, total), highlight=False, soft_wrap=True)
        elif step is not None:
            self._show(key, step)

    def _show(self, key: tuple[int, str], now: Row | TrainingStep) -> None:
        self._bars.update(
            self._tasks[key],
            completed=now.iteration,
            epoch=f"{now.epoch:.1f}",
            loss=f"{now.train_loss:.3f}",
            train=f"{self._measure(now.train_error):.1f}",
        )

    def _measure(self, error: float) -> float:
        return 100 - error if self._accuracy else error

    def _line(self, row: Row, total: int) -> str:
        train, test = self._measure(row.train_error), self._measure(row.test_error)
        return (
            f"{row.net:<9} seed {row.seed}  epoch {row.epoch:<6.4g} "
            f"iteration {row.iteration}/{total}  loss {row.train_loss:.3f}  train {train:5.2f} %  "
            f"{self._test} {test:5.2f} %{' right' * self._accuracy}  {row.seconds:.0f} s"
        )
