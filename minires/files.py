"""Write files atomically; recognise files that were given by mistake, such as a web page.

A reader of a file finds the old content or the new one, never a part.
"""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

_PARTIAL = ".partial"
_CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)  # of file systems without such a call

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

    A link is followed: the file that it leads to is replaced. A file that is replaced hands its
    permissions on. The folder is flushed too, so that the new name survives a power cut.

    Args:
        path: the file.
        content: all bytes of it.
        keep_previous: rename the old file to `previous(path)`; a process that is killed between
            the two renames leaves only that one.

    Raises:
        OSError: the disk is full, the folder cannot be written, or `path` is there and no regular
            file, such as a device; `path` is as it was.
    """
    path = Path(os.path.realpath(path))
    old = _replaceable(path)
    mode = 0o666 if old is None else old.st_mode & 0o777
    partial = path.parent / f".{path.name}.{os.urandom(4).hex()}{_PARTIAL}"
    try:
        # Never open to more users than the old file was, not even for a moment.
        with open(partial, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if old is not None:
            _hand_permissions_on(old, partial)
            if keep_previous:
                os.replace(path, previous(path))
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def read_file(path: str | Path, most: int | None = None) -> bytes:
    """Return the content of a regular file, of at most so many bytes.

    Raises:
        OSError: it cannot be read, is larger, or is no regular file: a FIFO would be waited for.
    """
    at_once = getattr(os, "O_NONBLOCK", 0)
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | at_once)) as file:
        found = os.fstat(file.fileno())
        _expect_regular(found, path)
        if most is not None and found.st_size > most:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
        return file.read()


def make_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, so that they survive a power cut.

    Raises:
        OSError: a folder cannot be made.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk, where the system can.

    Raises:
        OSError: the disk fails.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders; nor is one opened that may only be written
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
    finally:
        os.close(handle)


def previous(path: Path) -> Path:
    """Return the path of the previous file: run/a.csv -> run/a.previous.csv."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def remove_partial(folder: Path) -> None:
    """Remove the partly written files of processes that were killed while writing into `folder`."""
    for path in folder.glob(f".*{_PARTIAL}"):
        path.unlink()


def _replaceable(path: Path) -> os.stat_result | None:
    """The state of the file at a path, or None; raises OSError if that is no regular file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    _expect_regular(found, path)
    return found


def _expect_regular(found: os.stat_result, path: str | Path) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def _hand_permissions_on(old: os.stat_result, path: Path) -> None:
    """Give a file the owner and the permissions of an old one, as far as this user may."""
    with suppress(PermissionError):
        if hasattr(os, "chown"):
            os.chown(path, old.st_uid, old.st_gid)
    with suppress(PermissionError):
        os.chmod(path, old.st_mode & 0o777)
