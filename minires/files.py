"""Write files atomically, and name what is in files that were given.

A reader of a file finds the old content or the new one, never a part.
"""

import os
from pathlib import Path

_PARTIAL = ".partial"

_PAGE = "a web page (HTML), which sites send instead of a file that they do not give"

# How files begin that are given instead of others: in lower case, without spaces before.
_BEGINNINGS = {
    b"version https://git-lfs.github.com/": (
        "a Git LFS pointer, a few lines that stand for the file; git lfs pull fetches the file"
    ),
    b"<!doctype html": _PAGE,
    b"<html": _PAGE,
    b"{": "JSON",
    b"[": "JSON",
    b"\x1f\x8b": "compressed by gzip; unpack it first",
    b"\x89hdf": "an HDF5 file, as Keras writes them",
}


def mistaken(start: bytes) -> str | None:
    """Return what a file is that begins so, for those that are often given instead of another."""
    start = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return next((what for begin, what in _BEGINNINGS.items() if start.startswith(begin)), None)


def brief(value: object, most: int = 200) -> str:
    """Return the text of a value that came from a file for a message: one short printable line."""
    text = str(value)
    text = text if len(text) <= most else f"{text[:most]}..."
    return text if text.isprintable() else repr(text)


def write_atomically(path: str | Path, content: bytes, keep_previous: bool = False) -> None:
    """Write `content` to a temporary file, flush it to the disk, and rename it to `path`.

    Args:
        path: the file.
        content: all bytes of it.
        keep_previous: rename the old file to `previous(path)`; a process that is killed between
            the two renames leaves only that one.

    Raises:
        OSError: the disk is full or the folder cannot be written; `path` is as it was.
    """
    path = Path(path)
    partial = path.parent / f".{path.name}.{os.urandom(4).hex()}{_PARTIAL}"
    try:
        with open(partial, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if keep_previous and path.exists():
            os.replace(path, previous(path))
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def previous(path: Path) -> Path:
    """Return the path of the previous file: run/a.csv -> run/a.previous.csv."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def remove_partial(folder: Path) -> None:
    """Remove the partly written files of processes that were killed while writing into `folder`."""
    for path in folder.glob(f".*{_PARTIAL}"):
        path.unlink()
