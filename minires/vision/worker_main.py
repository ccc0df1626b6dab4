"""The program of a worker process: tasks come in as lines of JSON, images go out as bytes.

It ends when its input ends, so that it does not outlive the process that started it.
"""

import json
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeAlias

import numpy as np

from ..backend import Array
from ..errors import DataError, MiniresError
from .decoding import opened, rgb
from .transforms import evaluation_image, training_image

Task: TypeAlias = dict[str, Any]  # "do", the name of one of TASKS, and its arguments


def evaluate(paths: list[str], size: int) -> Array:
    """Return images for evaluation, uint8 (N, 3, size, size)."""
    return np.stack([evaluation_image(path, size) for path in paths])


def train(paths: list[str], size: int, seed: int, epoch: int, start: int) -> Array:
    """Return images for training, uint8 (N, 3, size, size).

    What is random about an image depends only on the seed, the epoch, and its index in the epoch's
    order; `start` is the index of the first.
    """
    # From 1 on: to NumPy the seeds [a, b] and [a, b, 0] are the same, and that draws the order.
    rngs = (np.random.default_rng([seed, epoch, 1 + start + i]) for i in range(len(paths)))
    pairs = zip(paths, rngs, strict=True)
    return np.stack([training_image(path, size, rng) for path, rng in pairs])


def problems(paths: list[str]) -> list[str | None]:
    """Return for each file why it cannot be decoded, or None; it is decoded to its end."""
    found: list[str | None] = []
    for path in paths:
        try:
            with opened(path) as image:
                rgb(image, at_least=0)  # a JPEG at an eighth of its size, which reads all of it
            found.append(None)
        except DataError as error:
            found.append(str(error))
    return found


TASKS: dict[str, Callable[..., Any]] = {"evaluate": evaluate, "train": train, "problems": problems}


def perform(task: Task) -> Any:
    """Return or raise what the task's function does: an array of uint8, or what JSON can hold."""
    arguments = dict(task)
    return TASKS[arguments.pop("do")](**arguments)


def answer(task: Task) -> bytes:
    """Return the answer to a task: a line of JSON, and after it the bytes of an array if any.

    The line is what `perform` returned, or {"shape": of the array}, or {"error": its message}.
    """
    head: Any
    content = b""
    try:
        head = perform(task)
    except MiniresError as error:
        head = {"error": str(error)}
    if isinstance(head, np.ndarray):
        head, content = {"shape": head.shape}, head.tobytes()
    return json.dumps(head).encode() + b"\n" + content


def main() -> None:
    """Perform tasks until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that is asked to stop
    answers, sys.stdout = sys.stdout.buffer, sys.stderr  # nothing else is written between images
    with suppress(BrokenPipeError):  # the process that reads them has ended
        for line in sys.stdin:
            answers.write(answer(json.loads(line)))
            answers.flush()
