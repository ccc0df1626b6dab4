"""The training process: trains a session, obeys commands between two steps, tells where it is.

Commands and messages are JSON in bytes. The first byte of a message is its kind: S a `Scene`, F a
`Frame`, L a `Look`, N a `Notice`, W the page of a walk, which is HTML; each replaces the one before
of its kind.
"""

import inspect
import json
import signal
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from .. import data
from ..arguments import flag, integer, shown
from ..data import Dataset
from ..errors import MiniresError, UsageError
from ..kernels import all_threads
from .frames import IMAGES, Notice, frame_of, look_of, message, scene_of
from .saving import save, script
from .session import Session
from .walk import walk_page

_FRAME = 1 / 15  # s between two frames, at least
_LOOK = 0.3  # s between two looks, at least
_SHARE = 0.05  # of the time that frames may take, and that looks may


def train(
    connection: Connection, address: str, data_dir: Path | None, folder: Path | None, threads: int
) -> None:
    """Be the training process, on so many threads, until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's, which then closes it
    load_data = partial(load_dataset, data_dir=data_dir, folder=folder)
    with all_threads(threads), suppress(EOFError, OSError):
        Worker(connection, address, load_data).serve()


def load_dataset(name: str, data_dir: Path | None, folder: Path | None) -> Dataset:
    """Return the dataset of a name, from the folders that the command was given."""
    if name != "folder":
        return data.load(name, None if name == "digits" else data_dir)
    if folder is None:
        raise UsageError("dataset=folder needs minires lab --folder, a folder of images")
    from .folder import folder_dataset  # what decodes images takes a while to import

    return folder_dataset(folder)


class Worker:
    """A session that is trained, and its connection to the server.

    Args:
        connection: to the server.
        address: of the first session.
        load_data: returns the dataset of a name.
    """

    def __init__(
        self, connection: Connection, address: str, load_data: Callable[[str], Dataset]
    ) -> None:
        self._connection = connection
        self._load_data = load_data
        self._datasets: dict[str, Dataset] = {}
        self._number = 0
        self._walks = count(1)
        self._image = 0
        self._steps: Generator[None, None, None] = (None for _ in ())
        try:
            self.do_open(address)
        except MiniresError as error:
            self.do_open("")
            self._send("N", Notice("error", str(error)))

    def serve(self) -> None:
        """Train and obey."""
        while True:
            idle = not self._running or self._session.ended
            if self._connection.poll(None if idle else 0):
                self._obey(self._connection.recv_bytes())
                self._next_frame = 0.0
            else:
                next(self._steps, None)
                if self._session.ended:  # nothing comes after it
                    self._next_frame = self._next_look = 0.0
            self._tell()

    # --- commands ---------------------------------------------------------------------------

    def _obey(self, text: bytes) -> None:
        try:
            command = json.loads(text)
            method = getattr(self, f"do_{command.pop('do')}")
            given = inspect.signature(method).bind(**command)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            self._send("N", Notice("error", f"there is no such command: {shown(text)}"))
            return
        try:
            method(*given.args, **given.kwargs)
        except MiniresError as error:
            self._send("N", Notice("error", str(error)))

    def do_open(self, address: str) -> None:
        """Open the session of an address."""
        session = Session.open(address, self._data)
        self._number += 1
        self._running = True
        self._walk = 0
        self._rate = 0.0
        self._begin(session)
        self._send("S", scene_of(session, self._number))
        self._send_frame()  # a look, which takes as long as a training step, comes after the first

    def do_operate(self, net: int, kind: str, path: str = "", value: float = 1) -> None:
        """Do a surgery; see `Session.operate`."""
        self._session.operate(net, kind, path, value)
        self._next_look = 0.0
        self._record_again()

    def do_undo(self) -> None:
        """Undo the last surgery."""
        self._session.undo()
        self._begin(self._session)
        self._record_again()

    def do_free(self) -> None:
        """Leave the guided experiment: the session goes on, without a guide in its address."""
        self._session.config = replace(self._session.config, guide=0)

    def do_run(self, running: bool) -> None:
        """Train, or pause."""
        self._running = flag(running, "running")
        self._walk = 0
        self._since = (time.perf_counter(), self._session.step)

    def do_step(self) -> None:
        """Pause, and take one training step."""
        self._running = False
        next(self._steps, None)
        self._next_look = 0.0
        self._record_again()

    def do_walk(self, shown: bool) -> None:
        """Pause, and show the walk through the training step that comes, or show it no more."""
        shown = flag(shown, "shown")
        self.do_run(False)
        if shown:
            self._next_frame = 0.0
            self._tell()  # that it pauses: to record a large net takes seconds
            self._record()

    def do_image(self, number: int) -> None:
        """Choose the image that is looked at."""
        self._image = integer(number, "the number of an image", 0, _looked_at(self._session) - 1)
        self._next_look = 0.0

    def do_save(self) -> None:
        """Leave a run folder."""
        folders = save(self._session)
        self._send("N", Notice("saved", " ".join(map(str, folders))))

    def do_script(self) -> None:
        """Send the script that does the same."""
        self._send("N", Notice("script", script(self._session)))

    def _record(self) -> None:
        """Send the walk through the training step that comes."""
        page = walk_page(self._session)
        self._connection.send_bytes(b"W" + page.html.encode(errors="backslashreplace"))
        self._walk = next(self._walks)

    def _record_again(self) -> None:
        """Send the walk anew if it is shown: the step that comes is another one."""
        if self._walk:
            self._record()

    def _begin(self, session: Session) -> None:
        """Train this session from where it is, and show it at once."""
        self._steps.close()
        self._session = session
        self._image = min(self._image, _looked_at(session) - 1)
        self._steps = session.run()
        self._since = (time.perf_counter(), session.step)
        self._next_frame = self._next_look = 0.0

    def _data(self, name: str) -> Dataset:
        if name not in self._datasets:
            self._datasets[name] = self._load_data(name)
        return self._datasets[name]

    # --- messages ---------------------------------------------------------------------------

    def _tell(self) -> None:
        """Send a frame and a look, if they are due."""
        now = time.perf_counter()
        if now >= self._next_frame:
            seconds, steps = now - self._since[0], self._session.step - self._since[1]
            if seconds > 1:
                self._rate, self._since = steps / seconds, (now, self._session.step)
            self._send_frame()
            self._next_frame = _next(self._next_frame, now, _FRAME)
        now = time.perf_counter()
        if now >= self._next_look:
            self._send("L", look_of(self._session, self._number, self._image))
            self._next_look = _next(self._next_look, now, _LOOK)

    def _send_frame(self) -> None:
        """Send where the session stands."""
        where = self._number, self._running, self._rate, self._walk
        self._send("F", frame_of(self._session, *where))

    def _send(self, kind: str, value: Any) -> None:
        self._connection.send_bytes(kind.encode() + message(value))


def _looked_at(session: Session) -> int:
    """Return how many test images are looked at."""
    return min(IMAGES, len(session.dataset.test_images))


def _next(due: float, began: float, interval: float) -> float:
    """Return when a message that was due, and whose making began later, is due again.

    Intervals are counted from when it was due: it waits for the end of a training step, and from
    there the wait would grow to whole steps.
    """
    now = time.perf_counter()
    wait = max(interval, (now - began) / _SHARE)
    return due + wait if due + wait > now else now + wait
