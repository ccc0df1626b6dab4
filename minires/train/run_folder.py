"""The folder of a run: its configuration, checkpoints, history, pictures.

    config.json                         what was asked for, written first
    checkpoints/NET-seedS.safetensors   the state of one training, its rows included
    history.csv                         all rows, made from the checkpoints
    weights/NAME.safetensors            weights: of a training that has ended, or the best of one

The checkpoint is the only memory: history.csv and weights/ are written after it and from it,
and again on resuming, so that a run killed in between loses nothing.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import DataError, RunError, UsageError, expect
from ..files import write_atomically
from ..nn import Module, save_weights
from ..nn.safetensors_file import read_tensors, write_tensors
from .history import Row, write_history
from .loop import Trainer

# What reading a file that someone altered can raise.
_ALTERED = (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError)
FORMAT = 1  # of config.json and the checkpoints; another one is refused


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
        """
        folder = cls(path)
        folder.expect_empty()
        with folder._writing(path):
            path.mkdir(parents=True, exist_ok=True)
            content = json.dumps({"format": FORMAT, **config}, indent=2) + "\n"
            write_atomically(path / "config.json", content.encode())
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
        expect(
            version == FORMAT,
            RunError,
            f"the run in {path} has format {version}; this minires reads format {FORMAT}",
        )
        return cls(path), config

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
        """Write the checkpoint of a training."""
        tensors, facts = trainer.state()
        path = self._checkpoint(trainer)
        with self._writing(path):
            path.parent.mkdir(exist_ok=True)
            write_tensors(path, tensors, {"format": FORMAT, **facts})

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

        Raises:
            RunError: the checkpoint was cut short or altered.
        """
        path = self._checkpoint(trainer)
        if path.exists():
            try:
                tensors, facts = read_tensors(path)
                found = facts.get("format")
                expect(found == FORMAT, DataError, f"format {found!r}, expected {FORMAT}")
                trainer.restore(tensors, facts)
            except DataError as error:
                raise RunError(
                    f"the checkpoint {path} cannot be used: {error}; "
                    "remove it to train this net again from its start"
                ) from error

    def write_history(self, rows: list[Row]) -> None:
        """Write history.csv."""
        with self._writing(self.path / "history.csv"):
            write_history(self.path / "history.csv", rows)

    def write(self, name: str, content: bytes) -> None:
        """Write a file of the run, such as a picture."""
        with self._writing(self.path / name):
            write_atomically(self.path / name, content)

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
