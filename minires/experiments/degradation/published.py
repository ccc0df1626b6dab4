"""Curves that others published, to be drawn behind one's own or set beside it.

They are those of a-martyn/resnet, a public re-implementation of He et al. 2015 by the paper's
recipe on CIFAR-10: see published_curves.LICENSE.txt beside this file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ...runs.table import read_table

NAME = "re-implementation"  # in a legend
SOURCE = "a-martyn/resnet on GitHub"
ITERATIONS = 391  # an epoch of 50,000 images at batch 128
_FILE = Path(__file__).with_name("published_curves.csv")


@dataclass(frozen=True)
class PublishedRow:
    """The errors in % after so many epochs, counted from 1; `net` is a name such as plain20."""

    net: str
    epoch: int
    train_error: float
    test_error: float


@cache
def curve(net: str) -> Sequence[PublishedRow]:
    """What was published of a net, in the order of the epochs; nothing of most nets."""
    return [row for row in read_table(_FILE, PublishedRow, "a table of curves") if row.net == net]


def errors(net: str, epoch: int) -> tuple[float | None, float | None]:
    """The training and test error of a net after that epoch, or the last one published before."""
    before = [row for row in curve(net) if row.epoch <= epoch]
    return (before[-1].train_error, before[-1].test_error) if before else (None, None)
