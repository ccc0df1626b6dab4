"""Autosave: a training saved at every epoch's end, at regular intervals, and before it stops."""

import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass

from ..train import Progress, Trainer

INTERVAL = 30.0  # seconds of training that a kill costs at most


@dataclass(frozen=True)
class Event:
    """A training step, or, if `progress` is None, a training with nothing left to do."""

    trainer: Trainer
    progress: Progress | None


def autosave(
    trainer: Trainer,
    steps: Generator[Progress, None, None],
    save: Callable[[Progress], None],
    stop: Callable[[], bool],
    interval: float = INTERVAL,
) -> Generator[Event, None, bool]:
    """Yield every step, and save on the way.

    Args:
        trainer: the training.
        steps: its progress, from `Trainer.run`.
        save: called at the end of an epoch, `interval` after the last call, and before stopping.
        stop: called after every step; True saves and ends.
        interval: the time between two saves within an epoch, in seconds.

    Returns:
        Whether `stop` ended it with something left to train.
    """
    saved = time.monotonic()
    with closing(steps):  # at once, where this generator is closed: it may have set something
        for progress in steps:
            stopping = stop()
            due = time.monotonic() - saved > interval
            if progress.row is not None or due or stopping:
                save(progress)
                saved = time.monotonic()
            yield Event(trainer, progress)
            if stopping and not trainer.finished:
                return True
    return False
