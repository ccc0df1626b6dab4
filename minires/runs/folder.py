"""The folder of a run: its configuration, checkpoints, history, pictures.

    config.json                         what was asked for, written first
    checkpoints/NET-seedS.safetensors   the state of one training, its rows included
    history.csv                         all rows, made from the checkpoints
    weights/NAME.safetensors            weights: of a training that has ended, or the best of one
    .lock                               while a process is at work in the folder

The checkpoint is the only memory: history.csv and weights/ are written after it and from it,
and again on resuming, so that a run killed in between loses nothing. Checkpoints and history.csv
have checksums, and the file before stays beside each as NAME.previous: where one is found damaged,
the other is used, with a warning.
"""

import json
import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ..errors import DamageWarning, DataError, RunError, UsageError, expect
from ..files import previous, remove_partial, write_atomically
from ..nn import Module
from ..train.loop import Trainer
from ..weights import save_weights
from .checkpoint import read_checkpoint, write_checkpoint
from .formats import FORMAT, expect_format
from .history import Row, write_history
from .lock import locked

# What reading a file that someone altered can raise.
_ALTERED = (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError)


class RunFolder:
    """A run on the disk; made with `create` or `open`.

    Every method that writes raises RunError where the disk is full or the folder cannot be
    written; what was there before is then still whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, config: dict[str, Any]) -> "RunFolder":
        """Make the folder of a new run.

        Raises:
            UsageError: the folder holds something already.
            RunError: another process is making it.
        """
        folder = cls(path)
        folder.expect_empty()
        with folder._writing(path):
            path.mkdir(parents=True, exist_ok=True)
        content = json.dumps({"format": FORMAT, **config}, indent=2) + "\n"
        with folder.locked():
            folder.expect_empty()  # another process may have been quicker
            folder.write("config.json", content.encode())
        return folder

    @classmethod
    def open(cls, path: Path) -> "tuple[RunFolder, dict[str, Any]]":
        """The folder of a run that was started before, and its configuration.

        Raises:
            UsageError: there is no run.
            RunError: its configuration was altered or is of another version.
        """
        try:
            config = json.loads((path / "config.json").read_text(encoding="utf-8"))
            version = config.pop("format")
        except (FileNotFoundError, NotADirectoryError):
            raise UsageError(f"there is no run in {path}") from None
        except _ALTERED as error:
            raise RunError(
                f"{path / 'config.json'} is not a run's configuration: {error}"
            ) from error
        expect_format(version, f"the run in {path}")
        return cls(path), config

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Inside, no other process can be at work in the folder: whoever writes must be inside.

        Raises:
            RunError: another process is; names it. Or the folder cannot be written.
        """
        with ExitStack() as held:
            with self._writing(self.path):
                held.enter_context(locked(self.path))
                for folder in (self.path, self.path / "checkpoints", self.path / "weights"):
                    remove_partial(folder)
            yield

    def expect_empty(self) -> None:
        """Refuse a path where a run cannot be made.

        Raises:
            UsageError: there is a file, or a folder with anything in it.
        """
        expect(
            not self.holds_anything(),
            UsageError,
            f"{self.path} is not empty; add --resume to continue the run in it, or choose "
            "another --out",
        )

    def holds_anything(self) -> bool:
        """Whether there is a file or folder at the path with anything in it."""
        with self._reading(self.path):
            if not self.path.is_dir():
                return self.path.exists()
            return any(not p.name.startswith(".") for p in self.path.iterdir())

    def save(self, trainer: Trainer) -> None:
        """Write the checkpoint of a training; the one that was there stays beside it."""
        tensors, facts = trainer.state()
        path = self._checkpoint(trainer)
        with self._writing(path):
            path.parent.mkdir(exist_ok=True)
            write_checkpoint(path, tensors, facts)

    def weights(self, name: str) -> Path:
        """Where the weights of this name are, or are to be."""
        return self.path / "weights" / f"{name}.safetensors"

    def save_weights(self, name: str, model: Module) -> None:
        """Write the weights of a net."""
        path = self.weights(name)
        with self._writing(path):
            path.parent.mkdir(exist_ok=True)
            save_weights(model, path)

    def restore(self, trainer: Trainer) -> None:
        """Put a training back to its checkpoint, if it has one.

        A damaged one is set aside, and, with a warning, the one before it is used.

        Raises:
            RunError: both are damaged, or there is but one; or one has a format that is not read.
        """
        path = self._checkpoint(trainer)
        problems = []
        for place in filter(Path.exists, (path, previous(path))):
            try:
                trainer.restore(*read_checkpoint(place))
            except DataError as error:
                problems.append(f"the checkpoint {place} cannot be used: {error}")
                continue
            if problems:
                self._set_aside(path, problems[0])
            return
        expect(
            not problems,
            RunError,
            f"{'; '.join(problems)}; remove {'it' if len(problems) == 1 else 'both'} to train this "
            "net again from its start",
        )

    def write_history(self, rows: list[Row]) -> None:
        """Write history.csv."""
        with self._writing(self.path / "history.csv"):
            write_history(self.path / "history.csv", rows)

    def write(self, name: str, content: bytes) -> None:
        """Write a file of the run, such as a picture."""
        with self._writing(self.path / name):
            write_atomically(self.path / name, content)

    def _set_aside(self, path: Path, problem: str) -> None:
        """Rename a damaged checkpoint, or the next one would make of it the one before."""
        aside = path.with_name(f"{path.stem}.damaged{path.suffix}")
        with self._writing(aside):
            os.replace(path, aside)
        warnings.warn(
            f"{problem}; the one before it is used, and {aside.name} is what was damaged",
            DamageWarning,
            stacklevel=3,
        )

    def _checkpoint(self, trainer: Trainer) -> Path:
        return self.path / "checkpoints" / f"{trainer.label}.safetensors"

    @contextmanager
    def _reading(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RunError(f"{path} cannot be read: {error.strerror or error}") from error

    @contextmanager
    def _writing(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RunError(
                f"{path} cannot be written: {error.strerror or error}; "
                "what was saved before is whole"
            ) from error
