"""Write a file atomically: a reader finds the old content or the new one, never a part."""

import os
from pathlib import Path

_PARTIAL = ".partial"


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
