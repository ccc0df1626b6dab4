"""List the files and folders in a folder: without hidden ones, and with those behind links."""

import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import DataError

_NOT_IMAGES = {"Thumbs.db", "desktop.ini"}  # files that systems leave in folders of images


def files_in(folder: Path) -> list[Path]:
    """Return all files in a folder and below it, sorted by their paths.

    Hidden files are left out. Links to folders are followed, but a folder is only entered once, by
    its own path if it is below `folder`. A folder that does not exist has no files.

    Raises:
        DataError: a folder cannot be read.
    """
    if not os.path.isdir(folder):
        return []
    found = []
    entered = {str(parent) for parent in Path(os.path.realpath(folder)).parents}
    folders, links = [str(folder)], deque[str]()
    while folders or links:
        parent = folders.pop() if folders else links.popleft()
        if os.path.realpath(parent) in entered:
            continue
        entered.add(os.path.realpath(parent))
        for entry in _entries(parent):
            if entry.is_symlink() and os.path.isdir(entry):
                links.append(entry.path)
            elif entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            else:
                found.append(Path(entry))
    return sorted((path for path in found if path.name not in _NOT_IMAGES), key=Path.as_posix)


def folders_in(root: Path) -> list[str]:
    """Return the names of the folders in a folder, sorted.

    Raises:
        DataError: the folder cannot be read, or a link in it leads nowhere, perhaps to a class.
    """
    entries = _entries(root)
    for entry in entries:
        if entry.is_symlink() and not os.path.exists(entry):
            raise DataError(f"{entry.path} is a link to {os.readlink(entry)}, which is not there")
    return [entry.name for entry in entries if os.path.isdir(entry)]


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Inside, an OSError is raised as a DataError that names the path."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder and not hidden, sorted; raise DataError if it cannot be read."""
    with reading(folder), os.scandir(folder) as entries:
        shown = [entry for entry in entries if not entry.name.startswith(".")]
    return sorted(shown, key=lambda entry: entry.name)
