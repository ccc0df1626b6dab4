"""Values that were read from a file: checked for the type they must have, and for bounds."""

import math
import reprlib
from typing import Any, get_args

_NAMES = {
    int: "an integer",
    float: "a finite number",
    bool: "true or false",
    str: "a text",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


def check_value(
    name: str, value: Any, kind: Any, least: float = -math.inf, most: float = math.inf
) -> None:
    """Check a value that was read from a file.

    Args:
        name: of the field, for the message.
        value: what was read.
        kind: a type that JSON knows, or a union of such; numbers must be finite, integers must
            have 64 bits.
        least, most: bounds of a number.

    Raises:
        TypeError: it has another type.
        ValueError: it is out of bounds.
    """
    kinds = get_args(kind) or (kind,)
    if type(value) not in kinds:
        expected = " or ".join(_NAMES[each] for each in kinds)
        raise TypeError(f"{name} is {reprlib.repr(value)}, expected {expected}")
    if type(value) not in (int, float):
        return
    if not abs(value) < (2**63 if type(value) is int else math.inf):
        raise ValueError(f"{name} is {reprlib.repr(value)}, expected a finite number of 64 bits")
    if not least <= value <= most:
        raise ValueError(f"{name} is {value}, expected {least:g} to {most:g}")
