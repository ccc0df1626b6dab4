"""The format of a run folder: a number in its config.json and in each of its checkpoints."""

from typing import Any

from ..errors import RunError

FORMAT = 2
_READ = (1, 2)  # checkpoints of format 1 have no checksum


def check_format(found: Any, what: str) -> None:
    """Raise an error if `what` has a format that this version of minires does not read.

    Raises:
        RunError: names `what`, its format, and those that are read.
    """
    if found not in _READ:
        raise RunError(
            f"{what} has format {found!r:.60}; this minires reads formats "
            f"{' and '.join(map(str, _READ))}"
        )
