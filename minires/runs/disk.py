"""Errors of the disk as those of a run, which name the path."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import RunError


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Inside, an OSError is raised as a RunError that names the path, unless nothing is there."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror or error}") from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Inside, an OSError is raised as a RunError that names the path."""
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{path} cannot be written: {error.strerror or error}; "
            "the files saved before are unchanged"
        ) from error
