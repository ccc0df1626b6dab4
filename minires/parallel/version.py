"""Which minires a process has: that of a worker or of a rank must be the same as here."""

import hashlib
from functools import cache
from pathlib import Path

from .. import __version__

_ROOT = Path(__file__).parents[1]
_CODE = (".py", ".cu", ".cuh", ".npz")


@cache
def version() -> str:
    """Return the version of minires, and the start of a checksum of its code."""
    sha = hashlib.sha256()
    for path in sorted(p for p in _ROOT.rglob("*") if p.suffix in _CODE):
        sha.update(path.relative_to(_ROOT).as_posix().encode())
        sha.update(path.read_bytes())
    return f"{__version__} ({sha.hexdigest()[:8]})"
