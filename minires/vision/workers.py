"""Worker processes, which decode images before they are needed."""

import json
import math
import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Self

import numpy as np

from ..errors import DataError, UsageError
from .worker_main import Task, perform

_ROOT = str(Path(__file__).parents[2])  # so that the worker imports the same minires
_AHEAD = 2  # tasks for each worker, so that it has the next one when it is done with the last


class Worker:
    """A process that decodes images, one task after the other.

    It is a new Python that runs `worker_main`, not a copy of this one: a fork would copy threads
    and locks, and `multiprocessing` would run the caller's script once more. It ends when this
    process does, however that ends, because its input then ends.
    """

    def __init__(self) -> None:
        path = os.pathsep.join(filter(None, (_ROOT, os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from minires.vision.worker_main import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,  # which the terminal's Ctrl-C does not reach
        )

    def perform(self, task: Task) -> Any:
        """Return what `worker_main.perform` returns in that process.

        Raises:
            DataError: an image cannot be read, or the process has ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(task).encode() + b"\n")
            self._process.stdin.flush()
            head = json.loads(self._process.stdout.readline())
            if "shape" in head:
                content = self._process.stdout.read(math.prod(head["shape"]))
                return np.frombuffer(content, np.uint8).reshape(head["shape"])
        except (OSError, ValueError) as error:  # a ValueError: the answer is cut short
            raise DataError(
                f"a process that decodes images has ended (exit code {self._process.wait()}); "
                "is there enough memory? fewer --workers need less"
            ) from error
        if "error" in head:
            raise DataError(head["error"])
        return head

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        with suppress(BrokenPipeError), self._process:  # waits for it, and closes the pipes
            pass


class Workers:
    """A pool of worker processes, which start with the first task.

    The results do not depend on their number. A context manager, which ends them.

    Args:
        count: of the processes; with 0 this process performs the tasks.

    Raises:
        UsageError: `count` is below 0.
    """

    def __init__(self, count: int) -> None:
        if count < 0:
            raise UsageError(f"workers must be at least 0, got {count}")
        self.count = count
        self._all: list[Worker] = []
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        self._threads: ThreadPoolExecutor | None = None  # one waits for each process

    def results(self, tasks: Iterable[Task]) -> Iterator[Any]:
        """Yield what each task returns, in their order; the next ones are performed meanwhile.

        Raises:
            DataError: an image cannot be read, or a process has ended.
        """
        if self.count == 0:
            yield from map(perform, tasks)
            return
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.count, thread_name_prefix="minires images")
            self._all = [Worker() for _ in range(self.count)]
            for worker in self._all:
                self._idle.put(worker)
        waiting: deque[Future[Any]] = deque()
        try:
            for task in tasks:
                waiting.append(self._threads.submit(self._perform, task))
                if len(waiting) > _AHEAD * self.count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def close(self) -> None:
        """End the processes."""
        if self._threads is not None:
            for worker in self._all:
                worker.close()
            self._threads.shutdown(cancel_futures=True)
            self._threads, self._all, self._idle = None, [], SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _perform(self, task: Task) -> Any:
        worker = self._idle.get()
        try:
            return worker.perform(task)
        finally:
            self._idle.put(worker)
