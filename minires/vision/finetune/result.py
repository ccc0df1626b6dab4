"""What a run of fine-tuning has come to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ...train import Row
from ..folders import ImageFolder
from .config import FinetuneConfig


class Found(NamedTuple):
    """The pictures of a run.

    Attributes:
        folder: those that can be decoded.
        left_out: those that cannot, by path, and why.
    """

    folder: ImageFolder
    left_out: dict[str, str]


@dataclass(frozen=True)
class Result:
    """Where a run stands.

    Attributes:
        config, found: what was asked for, and on which pictures.
        rows: one an epoch so far.
        finished: whether it has ended.
        seconds, waited: how long it has been running since it was started or gone on with, and how
            much of that was spent waiting for pictures.
    """

    config: FinetuneConfig
    found: Found
    rows: Sequence[Row]
    finished: bool
    seconds: float
    waited: float


def best(rows: Sequence[Row]) -> Row:
    """The first row with the lowest validation error."""
    return min(rows, key=lambda row: row.test_error)
