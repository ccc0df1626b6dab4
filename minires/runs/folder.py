"""The folder of a run: its configuration, checkpoints, history and figures.

    config.json                         the configuration and the machine, written first
    checkpoints/NET-seedS.safetensors   the state of one training, its rows included
    history.csv                         the rows of all trainings, copied from the checkpoints
    weights/NAME.safetensors            weights: of a training that has ended, or the best of one
    .lock                               while a process works in the folder

Only checkpoints are read on resuming: history.csv and weights/ are written after them and from
them, and again on resuming, so that a run killed in between loses nothing. Checkpoints and
history.csv have checksums, and the previous file stays beside each as NAME.previous: if one is
damaged, the other is used, with a warning. Weights have a checksum too.
"""

import json
import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ..errors import DamageWarning, DataError, RunError, UnreadableError, UsageError
from ..files import (
    brief,
    make_folder,
    previous,
    read_file,
    remove_partial,
    sync_folder,
    write_atomically,
)
from ..nn import Module
from ..train import Row, Trainer, restore_training, training_state
from .checkpoint import FORMAT, check_format, read_checkpoint, write_checkpoint, write_weights
from .checksum import write_with_checksum
from .disk import reading, writing
from .history import write_history
from .lock import locked

_LARGEST_CONFIG = 20_000_000  # bytes; each image that a run left out takes some 200
# What reading an altered file can raise.
_ALTERED = (ValueError, KeyError, AttributeError, TypeError, RecursionError)


def run_of(weights: Path) -> Path | None:
    """Return the folder of the run that a file of weights was written by; None if by none."""
    folder = weights.absolute().parent
    is_there = folder.name == "weights" and (folder.parent / "config.json").is_file()
    return folder.parent if is_there else None


class RunFolder:
    """A run on the disk; made with `create` or `open`.

    Every method that writes raises RunError if the disk is full or the folder cannot be written;
    the files that were there before are then unchanged.

    Attributes:
        path: the folder.
        resumed_on: machines to be noted in config.json with the next thing computed; see
            `runs.machine`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.resumed_on: list[Any] = []

    @classmethod
    def create(cls, path: Path, config: dict[str, Any]) -> "RunFolder":
        """Make the folder of a new run, with its configuration.

        Raises:
            UsageError: the folder is not empty.
            RunError: another process is making it, or it cannot be written.
        """
        folder = cls(path)
        folder.check_empty()
        with writing(path):
            make_folder(path)
        with folder.locked():
            folder.check_empty()  # another process may have been quicker
            folder.write_config(config)
        return folder

    @classmethod
    def open(cls, path: Path) -> "tuple[RunFolder, dict[str, Any]]":
        """Return the folder of an existing run, and its configuration.

        Raises:
            UsageError: there is no run.
            RunError: its configuration was altered, cannot be read or is of another version.
        """
        file = path / "config.json"
        try:
            with reading(file):
                config = json.loads(read_file(file, _LARGEST_CONFIG))
            version = config.pop("format")
        except (FileNotFoundError, NotADirectoryError):
            raise UsageError(f"there is no run in {path}") from None
        except _ALTERED as error:
            raise RunError(f"{file} is not a run's configuration: {brief(error)}") from error
        check_format(version, f"the run in {path}")
        return cls(path), config

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Inside, no other process can work in the folder; every write must be inside.

        Raises:
            RunError: another process works in it; names the process. Or it cannot be written.
        """
        with ExitStack() as stack:
            with writing(self.path):
                stack.enter_context(locked(self.path))
                for folder in (self.path, self.path / "checkpoints", self.path / "weights"):
                    remove_partial(folder)
            yield

    def check_empty(self) -> None:
        """Raise UsageError if there is a file, or a folder with anything in it, at the path."""
        if self.holds_anything():
            raise UsageError(
                f"{self.path} is not empty; add --resume to continue the run in it, or choose "
                "another --out"
            )

    def holds_anything(self) -> bool:
        """Return whether there is a file, or a folder with anything in it, at the path.

        Raises:
            RunError: the path cannot be read.
        """
        try:
            if not self.path.is_dir():
                return self.path.exists()
            return any(not p.name.startswith(".") for p in self.path.iterdir())
        except OSError as error:
            raise RunError(f"{self.path} cannot be read: {error.strerror or error}") from error

    def save(self, trainer: Trainer) -> None:
        """Write the checkpoint of a training; the old one stays as the previous one."""
        self._note_machine()
        tensors, metadata = training_state(trainer)
        path = self._checkpoint(trainer)
        with writing(path):
            make_folder(path.parent)
            write_checkpoint(path, tensors, metadata)

    def restore(self, trainer: Trainer) -> None:
        """Set a training to its checkpoint, if it has one.

        A damaged one is renamed, and, with a warning, the previous one is used.

        Raises:
            RunError: both are damaged, or the only one is; one cannot be read, which may be whole;
                or a format is not read.
        """
        path = self._checkpoint(trainer)
        problems = []
        with reading(path):
            candidates = [file for file in (path, previous(path)) if file.exists()]
        for candidate in candidates:
            try:
                with reading(candidate):
                    restore_training(trainer, *read_checkpoint(candidate))
            except UnreadableError as error:
                raise RunError(f"the checkpoint cannot be used: {error}") from error
            except DataError as error:
                problems.append(f"the checkpoint {candidate} cannot be used: {error}")
                continue
            if problems:
                self._rename_damaged(path, problems[0])
            return
        if problems:
            raise RunError(
                f"{'; '.join(problems)}; remove {'it' if len(problems) == 1 else 'both'} to train "
                "this net again from its start"
            )

    def weights(self, name: str) -> Path:
        """Return the path of the weights with this name."""
        return self.path / "weights" / f"{name}.safetensors"

    def save_weights(self, name: str, model: Module) -> None:
        """Write the weights of a model."""
        path = self.weights(name)
        with writing(path):
            make_folder(path.parent)
            write_weights(path, model.state_dict())

    def remove(self, *files: Path) -> None:
        """Remove files of the run, those that are there."""
        for file in files:
            with writing(file):
                file.unlink(missing_ok=True)

    def write_history(self, rows: list[Row]) -> None:
        """Write history.csv."""
        with writing(self.path / "history.csv"):
            write_history(self.path / "history.csv", rows)

    def note(self, **facts: Any) -> None:
        """Write facts into config.json, beside or instead of those that are there."""
        _, config = RunFolder.open(self.path)
        self.write_config({**config, **facts})

    def write_config(self, config: dict[str, Any]) -> None:
        """Write config.json."""
        content = json.dumps({"format": FORMAT, **config}, indent=2) + "\n"
        self.write("config.json", content.encode())

    def write(self, name: str, content: bytes) -> None:
        """Write any other file of the run, such as a figure."""
        with writing(self.path / name):
            write_atomically(self.path / name, content)

    def write_with_checksum(self, name: str, content: bytes) -> None:
        """Write a file that is read back; the old one stays as the previous one."""
        self._note_machine()
        with writing(self.path / name):
            write_with_checksum(self.path / name, content)

    def _note_machine(self) -> None:
        if self.resumed_on:
            self.note(resumed_on=self.resumed_on)
            self.resumed_on = []

    def _checkpoint(self, trainer: Trainer) -> Path:
        return self.path / "checkpoints" / f"{trainer.label}.safetensors"

    def _rename_damaged(self, path: Path, problem: str) -> None:
        """Rename a damaged checkpoint, which would become the previous one at the next save."""
        renamed = path.with_name(f"{path.stem}.damaged{path.suffix}")
        with writing(renamed):
            os.replace(path, renamed)
            sync_folder(path.parent)
        warnings.warn(
            f"{problem}; the previous one is used, and the damaged one is renamed {renamed.name}",
            DamageWarning,
            stacklevel=3,
        )
