"""What batch norm tells the kernel that takes its statistics: the structure of statistics.cuh."""

from typing import NamedTuple

import numpy as np

from ...backend import Array
from .layout import address

_ARRAYS = "parts w b mean var r scale shift running_mean running_var"
_NUMBERS = {"eps": "f4", "momentum": "f4", "channels": "i4", "M": "i4", "values_a_part": "i4"}
_STATISTICS = np.dtype([*((name, "u8") for name in _ARRAYS.split()), *_NUMBERS.items()], align=True)

NO_STATISTICS: Array = np.zeros((), _STATISTICS)


class Parts(NamedTuple):
    """How each channel of maps is cut into parts, which are summed on their own.

    Attributes:
        M: values a channel; values: of a part, the last one may have fewer; number: of parts.
    """

    M: int
    values: int
    number: int


def statistics(*members: Array | float | None) -> Array:
    """Return the structure Statistics; an array is given by its address, and None by 0."""
    given = (m if isinstance(m, int | float) else 0 if m is None else address(m) for m in members)
    return np.array(tuple(given), _STATISTICS)
