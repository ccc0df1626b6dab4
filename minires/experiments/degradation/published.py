"""Published errors of the nets: the paper's final ones, and the curves of a re-implementation.

The curves are those of a-martyn/resnet, a public re-implementation of He et al. 2015 by the paper's
recipe on CIFAR-10: see published_curves.LICENSE.txt beside this file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ...errors import UsageError
from ...runs.table import read_table
from .config import Config

NAME = "re-implementation"  # in a legend
SOURCE = "a-martyn/resnet on GitHub"
ITERATIONS = 391  # an epoch of 50,000 images at batch 128
_FILE = Path(__file__).with_name("published_curves.csv")

# Final training and test errors in % on CIFAR-10 after 64,000 iterations. He et al. 2015: the test
# errors of the residual nets from table 6, the others read off figure 6. Pre-activation nets:
# He et al. 2016 (1603.05027), table 4, at batch 128.
PAPER: dict[str, tuple[float | None, float | None]] = {
    "plain20": (1.3, 9.7),
    "plain32": (1.2, 10.1),
    "plain44": (2.6, 11.3),
    "plain56": (5.7, 13.3),
    "resnet20": (0.7, 8.75),
    "resnet32": (None, 7.51),
    "resnet44": (None, 7.17),
    "resnet56": (None, 6.97),
    "resnet110": (None, 6.43),
    "resnet1202": (None, 7.93),
    "preact164": (None, 5.46),
    "preact1001": (None, 4.92),
}


@dataclass(frozen=True)
class PublishedRow:
    """The errors in % after so many epochs, counted from 1; `net` is a name such as plain20."""

    net: str
    epoch: int
    train_error: float
    test_error: float


@cache
def curve(net: str) -> Sequence[PublishedRow]:
    """Return the published rows of a net in the order of the epochs; none for most nets."""
    return [row for row in read_table(_FILE, PublishedRow, "a table of curves") if row.net == net]


def errors(net: str, epoch: int) -> tuple[float | None, float | None]:
    """Return the published training and test error after an epoch, or the last ones before it."""
    before = [row for row in curve(net) if row.epoch <= epoch]
    return (before[-1].train_error, before[-1].test_error) if before else (None, None)


def check_comparable(config: Config, path: Path) -> None:
    """Raise UsageError for a run that was not trained as the published curves were."""
    if config.is_the_papers:
        return
    settings = {
        "of {} epochs": config.epochs,
        "with a learning rate of {:g}": config.lr,
        "at batch {}": config.batch,
        "on a validation split": config.validation or None,
    }
    given = [text.format(value) for text, value in settings.items() if value is not None]
    raise UsageError(
        "the published curves are those of CIFAR-10 by the paper's schedule; the run in "
        + ", ".join([f"{path} is on {config.dataset} by the {config.schedule} schedule", *given])
    )
