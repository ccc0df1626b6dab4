"""The steps of a training, with its state saved on the way."""

import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass

from ..train.loop import Progress, Trainer

_SECONDS = 30.0  # the most that a kill costs


@dataclass(frozen=True)
class Event:
    """A step of training, or, with `progress` None, a training found finished on resuming."""

    trainer: Trainer
    progress: Progress | None


def kept(
    trainer: Trainer,
    steps: Iterable[Progress],
    save: Callable[[Progress], None],
    stop: Callable[[], bool],
) -> Generator[Event, None, bool]:
    """Give out every step; the value of the generator is whether it was stopped before its end.

    Args:
        trainer: what is trained.
        steps: its `run`.
        save: called after an epoch, twice a minute, and before stopping.
        stop: asked after every step; True saves, and ends.
    """
    saved = time.monotonic()
    for progress in steps:
        stopping = stop()
        due = time.monotonic() - saved > _SECONDS
        if progress.row is not None or due or stopping:
            save(progress)
            saved = time.monotonic()
        yield Event(trainer, progress)
        if stopping and not trainer.finished:
            return True
    return False
