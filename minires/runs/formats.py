"""The format of a run folder: a number in its config.json and in each of its checkpoints."""

from typing import Any

from ..errors import RunError, expect

FORMAT = 2
_READ = (1, 2)  # checkpoints of format 1 have no checksum


def expect_format(found: Any, what: str) -> None:
    """Refuse what another version of minires wrote in a format that this one does not know.

    Raises:
        RunError: names `what`, its format, and those that are read.
    """
    expect(
        found in _READ,
        RunError,
        f"{what} has format {found!r:.60}; this minires reads formats "
        f"{' and '.join(map(str, _READ))}",
    )
