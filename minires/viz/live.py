"""The progress of trainings on a terminal, or as plain lines elsewhere."""

import os
from collections.abc import Sequence
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ..train import Progress as TrainingStep
from ..train import Row, Trainer

_BESIDE = 54  # columns of a terminal: the net, a short bar, the test error and the time left
_TEXTS = {"train": 13, "epoch": 12, "loss": 11}  # on a narrow one the last are left out first
_BAR = 12, 30  # columns of a bar, short and long


def can_draw_over(console: Console) -> bool:
    """Return whether what a console shows can be drawn over, as a bar is.

    Not in a file, in a pipe or on a dumb terminal; nor in a notebook's cell "!minires ...", which
    says that it is a terminal, but keeps each state of a bar. (JPY_PARENT_PID is what it inherits.)
    """
    in_a_notebook = "JPY_PARENT_PID" in os.environ
    return console.file.isatty() and not console.is_dumb_terminal and not in_a_notebook


class LiveDisplay:
    """A bar for each training: net, epoch, loss, errors, time left; and one for all of them.

    Where bars cannot be drawn, there is a line for each epoch instead.

    Args:
        console: where it is shown.
        accuracy: show accuracies, in %, instead of errors.
        test: the name of the images that are tested on.
        planned: the trainings to come, (seed, net, effort), in their order; efforts are about in
            proportion to the times that they take.
    """

    def __init__(
        self,
        console: Console,
        accuracy: bool = False,
        test: str = "test",
        planned: Sequence[tuple[int, str, float]] = (),
    ) -> None:
        self.console = console
        self._accuracy = accuracy
        self._test = test
        self._draws = can_draw_over(console)
        left = console.width - _BESIDE - len(" right") * accuracy
        shown = {"test"}
        for name, width in _TEXTS.items():
            if width > left:
                break
            shown.add(name)
            left -= width
        bar = BarColumn(bar_width=max(4, min(_BAR[0] + left, _BAR[1])))
        texts = {name: TextColumn(f"{{task.fields[{name}]}}") for name in shown}
        columns = [texts.get("epoch"), bar, *map(texts.get, ("loss", "train", "test"))]
        self._bars = Progress(
            TextColumn("{task.description}", style="bold", markup=False),
            *(column for column in columns if column is not None),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
            disable=not self._draws,
            speed_estimate_period=120,
        )
        self._efforts = {(seed, net): effort for seed, net, effort in planned}
        self._tasks = {key: self._add(f"{key[1]:<8} seed {key[0]}") for key in self._efforts}
        self._begun: set[tuple[int, str]] = set()
        self._all = self._add("all", sum(self._efforts.values())) if len(planned) > 1 else None

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._bars.stop()

    def show(self, trainer: Trainer, step: TrainingStep | None) -> None:
        """Update the bar of a training; `step` is None for one that was found finished."""
        key, total = (trainer.seed, trainer.net), trainer.recipe.iterations
        if key not in self._tasks:
            self._tasks[key] = self._add(f"{trainer.net:<8} seed {trainer.seed}")
        begins = key not in self._begun
        self._begun.add(key)
        self._move(self._tasks[key], trainer.iteration, begins, total)
        row = step.row if step else trainer.rows[-1]
        now = row or step
        if now is not None:
            train = self._measure(now.train_error)
            texts: dict[str, Any] = {
                "epoch": f"epoch {now.epoch:>5.1f}",
                "loss": f"loss {now.train_loss:>5.3f}",
                "train": f"train {train:>4.1f} %",
            }
            self._bars.update(self._tasks[key], **texts)
        if row is not None:
            right = " right" * self._accuracy
            test = f"{self._test} {self._measure(row.test_error):>4.1f} %{right}"
            self._bars.update(self._tasks[key], test=test)
            if not self._draws:
                line = self._line(row, total)
                self.console.print(line, highlight=False, markup=False, soft_wrap=True)
        if self._all is not None:
            efforts = self._efforts.items()
            tasks = self._bars.tasks
            done = sum(effort * tasks[self._tasks[of]].percentage / 100 for of, effort in efforts)
            self._move(self._all, done, begins)

    def _add(self, label: str, total: float = 1) -> TaskID:
        """Add a bar that has not begun."""
        empty: dict[str, Any] = dict.fromkeys((*_TEXTS, "test"), "")
        return self._bars.add_task(label, total=total, **empty)

    def _move(self, task: TaskID, done: float, begins: bool, total: float | None = None) -> None:
        """Move a bar to `done`; what was done before it begins tells nothing of the speed."""
        if begins:
            self._bars.reset(task, total=total, completed=int(done))
        else:
            self._bars.update(task, completed=done)

    def _measure(self, error: float) -> float:
        return 100 - error if self._accuracy else error

    def _line(self, row: Row, total: int) -> str:
        train, test = self._measure(row.train_error), self._measure(row.test_error)
        return (
            f"{row.net:<9} seed {row.seed}  epoch {row.epoch:<6.4g} "
            f"iteration {row.iteration}/{total}  loss {row.train_loss:.3f}  train {train:5.2f} %  "
            f"{self._test} {test:5.2f} %{' right' * self._accuracy}  {row.seconds:.0f} s"
        )
