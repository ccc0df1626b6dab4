"""A gradient check for every operation, for the tests and for a user's machine."""

import time
from dataclasses import dataclass

import numpy as np

from ..autograd.gradcheck import gradcheck
from ..errors import MiniresError
from . import layer_cases, tensor_cases
from .smooth_inputs import Case, Draw


@dataclass(frozen=True)
class Result:
    """The outcome of a case.

    Attributes:
        case: the case.
        error: the largest difference, as a share of the largest gradient; NaN after a failure.
        seconds: the time it took.
        failure: what is wrong, or None.
    """

    case: Case
    error: float
    seconds: float
    failure: str | None


def check(case: Case) -> Result:
    """Compare the backward pass of a case with differences."""
    error, failure, started = np.nan, None, time.perf_counter()
    try:
        error = gradcheck(case.function, case.inputs)
    except MiniresError as raised:
        failure = str(raised)
    return Result(case, error, time.perf_counter() - started, failure)


def cases(seed: int = 0) -> list[Case]:
    """Return cases for every class of `minires.ops.ALL`; the same ones for the same seed."""
    draw = Draw(seed)
    families = (*tensor_cases.FAMILIES, *layer_cases.FAMILIES)
    return [case for family in families for case in family(draw)]
