"""The run folder as ranks other than 0 have it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..nn import Module
from ..runs import RunFolder
from ..train import Row, Trainer


class UnwrittenFolder(RunFolder):
    """A run folder that another rank reads and writes; here nothing is done."""

    @contextmanager
    def locked(self) -> Iterator[None]:
        yield

    def save(self, trainer: Trainer) -> None:
        pass

    def restore(self, trainer: Trainer) -> None:
        pass

    def save_weights(self, name: str, model: Module) -> None:
        pass

    def remove(self, *files: Path) -> None:
        pass

    def write_history(self, rows: list[Row]) -> None:
        pass

    def write(self, name: str, content: bytes) -> None:
        pass

    def note(self, **facts: Any) -> None:
        pass
