"""The training process as the server has it: the last message of each kind, and commands to it."""

import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from ..kernels import get_num_threads
from .worker import train


class TrainingProcess:
    """The training process, and the last message of each kind that it has sent.

    It computes with as many threads as this process does now.

    Args:
        address: of the first session.
        data_dir: the folder of CIFAR-10, or None.
        folder: of images, or None.

    Attributes:
        latest: by kind, how many messages there were, and the last one.
        told: the number of the last notice that any page was sent.
    """

    def __init__(self, address: str, data_dir: Path | None, folder: Path | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        arguments = (other, address, data_dir, folder, get_num_threads())
        self.process = context.Process(target=train, args=arguments, daemon=True)
        with _without_interrupts(), _without_main():
            self.process.start()
        other.close()
        self._lock = threading.Lock()  # of commands
        # By kind: how many messages there were, and the last one.
        self.latest = dict.fromkeys("SNLFW", (0, ""))
        self.told = 0
        self._wake: dict[int, Callable[[], object]] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def command(self, text: str) -> None:
        """Send a command, which is obeyed before the next training step."""
        with self._lock:
            self._connection.send_bytes(text.encode())

    def on_message(self, key: int, wake: Callable[[], object] | None) -> None:
        """Call `wake` in the reader's thread after each message, or no longer if it is None."""
        if wake is None:
            self._wake.pop(key, None)
        else:
            self._wake[key] = wake

    def close(self) -> None:
        """End the process."""
        self.process.terminate()
        self.process.join()
        self._reader.join()
        self._connection.close()

    def _read(self) -> None:
        """Read every message at once, so that none waits in the pipe."""
        while True:
            try:
                text = self._connection.recv_bytes().decode()
            except (EOFError, OSError):
                self._keep('N{"kind":"gone","text":""}')
                return
            self._keep(text)

    def _keep(self, text: str) -> None:
        kind = text[0]
        number, _ = self.latest[kind]
        self.latest[kind] = number + 1, text
        for wake in list(self._wake.values()):
            wake()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Inside, processes are started that ignore Ctrl-C from their first moment."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _without_main() -> Iterator[None]:
    """Inside, processes are started that do not run the program of this one as well.

    `multiprocessing` would import it for what a task may need of it: for the command a second of
    imports, for a script of the user's all that it does.
    """
    before = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = before
