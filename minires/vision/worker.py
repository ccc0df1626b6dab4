"""A process that decodes pictures: tasks come in as lines of JSON, pictures go out as bytes.

It ends when its input does, so that none outlives the process that started it.
"""

import json
import math
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any, TypeAlias

import numpy as np

from ..backend import Array
from ..errors import DataError
from .images import opened, rgb
from .transforms import evaluation_picture, training_picture

Task: TypeAlias = dict[str, Any]  # "do", the name of one of TASKS, and its arguments


def evaluate(paths: list[str], size: int) -> Array:
    """Pictures for evaluation, uint8 (N, 3, size, size)."""
    return np.stack([evaluation_picture(path, size) for path in paths])


def train(paths: list[str], size: int, seed: int, epoch: int, place: int) -> Array:
    """Pictures for training, uint8 (N, 3, size, size).

    What chance does to a picture depends on the seed, the epoch, and its place in the epoch's
    order alone; `place` is that of the first.
    """
    # From 1 on: to NumPy the seeds [a, b] and [a, b, 0] are the same, and that draws the order.
    chances = (np.random.default_rng([seed, epoch, 1 + place + i]) for i in range(len(paths)))
    pairs = zip(paths, chances, strict=True)
    return np.stack([training_picture(path, size, chance) for path, chance in pairs])


def problems(paths: list[str]) -> list[str]:
    """For each file what is wrong with it, "" if nothing is: it is decoded to its end."""
    return [_problem(path) for path in paths]


def _problem(path: str) -> str:
    try:
        with opened(path) as picture:
            rgb(picture, at_least=0)  # a JPEG at an eighth of its size, which reads all of it
    except DataError as error:
        return str(error)
    return ""


TASKS: dict[str, Callable[..., Any]] = {"evaluate": evaluate, "train": train, "problems": problems}


def perform(task: Task) -> Any:
    """What the task's function returns: an array of uint8, or sentences.

    Raises:
        DataError: a picture cannot be read; names the file.
    """
    arguments = dict(task)
    return TASKS[arguments.pop("do")](**arguments)


def write_answer(file: IO[bytes], task: Task) -> None:
    """Perform a task, and write a line of JSON and, if there is one, the bytes of the array."""
    content = b""
    try:
        result = perform(task)
    except DataError as error:
        head = {"error": str(error)}
    else:
        if isinstance(result, np.ndarray):
            head, content = {"shape": result.shape}, result.tobytes()
        else:
            head = {"said": result}
    file.write(json.dumps(head).encode() + b"\n")
    file.write(content)
    file.flush()


def read_answer(file: IO[bytes]) -> Any:
    """What `perform` returned, or raised, in the process that wrote to this file.

    Raises:
        DataError: as `perform`; EOFError: the process has ended.
    """
    line = file.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    head = json.loads(line)
    if "error" in head:
        raise DataError(head["error"])
    if "said" in head:
        return head["said"]
    content = file.read(math.prod(head["shape"]))
    if len(content) < math.prod(head["shape"]):
        raise EOFError
    return np.frombuffer(content, np.uint8).reshape(head["shape"])


def main() -> None:
    """Perform tasks until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that is asked to stop
    answers, sys.stdout = sys.stdout.buffer, sys.stderr  # nobody else writes between the pictures
    with suppress(BrokenPipeError):  # nobody is there any more to read them
        for line in sys.stdin:
            write_answer(answers, json.loads(line))
