"""The report of a degradation run: errors beside published ones, how they compare, and limits."""

import math
import statistics
from collections.abc import Sequence
from typing import TypeAlias

from ...data import Dataset
from ...models import NetSpec
from ...runs.table import markdown_table
from ...train import Recipe, Row
from . import published
from .comparison import compare, latest
from .config import Config

Latest: TypeAlias = dict[NetSpec, list[Row]]  # the latest row of each seed, by net

_ERRORS = (
    "Errors in %; with several seeds the mean ± the standard deviation. Training errors are those "
    "of the last epoch's batches, augmented, as they were trained on. The paper's are on CIFAR-10 "
    "after 64,000 iterations (He et al. 2015, table 6; those of plain nets and all training errors "
    "read off figure 6; pre-activation nets from He et al. 2016, table 4)."
)
_RE_IMPLEMENTATION = (
    f" Those of {published.SOURCE}, a re-implementation, are after as many epochs as here, or the "
    "last ones that were published before."
)
_DEGRADATION = (
    "Degradation is a higher *training* error of a deeper plain net. It is not overfitting, which "
    "would make the training error smaller."
)
_DIGITS = (
    "Digits are 8x8 pixels and few, and training is short: enough to see whether a net can be "
    "*optimised*, which is what degradation is about, not enough to see what depth is good for. "
    "Residual nets of all depths come close to each other; a deep plain net, which learns slowly "
    "in the paper (13 % test error on CIFAR-10), hardly begins here."
)


def summary(config: Config, dataset: Dataset, recipe: Recipe, rows: Sequence[Row]) -> str:
    """Return the content of summary.md: `rows` is the history of the run so far."""
    ended = latest([row for row in rows if row.iteration == recipe.iterations])
    running = {net: last for net, last in latest(rows).items() if net not in ended}
    finished = sum(map(len, ended.values())) == len(config.nets) * len(config.seeds)
    parts = [
        f"# Degradation on {dataset.name}",
        _settings(config, dataset, recipe),
        _errors(ended, running, config.is_the_papers),
        _ERRORS + _RE_IMPLEMENTATION * config.is_the_papers,
        "## Training errors compared",
        "The run is not finished: compared are the trainings that are, or all if none is."
        * (not finished),
        _comparisons(ended, running),
        "## What this does and does not show",
        *_limits(config, max(row.iteration for row in rows), finished),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _settings(config: Config, dataset: Dataset, recipe: Recipe) -> str:
    every = config.checkpoint_every
    return (
        f"{len(dataset.train_images):,} training and {len(dataset.test_images):,} test images; "
        f"{recipe.iterations:,} iterations at batch {recipe.batch_size}, SGD with momentum "
        f"{recipe.momentum:g} and weight decay {recipe.weight_decay:g}, learning rate "
        f"{recipe.lr:g} divided by 10 after a half and three quarters; crops shifted by at most "
        f"{dataset.shift} px{' and mirrored' * dataset.flip}; seeds "
        f"{', '.join(map(str, config.seeds))}; backend {config.backend}{' in TF32' * config.tf32}"
        f"{f'; activations checkpointed every {every} block(s)' if every else ''}."
    )


def _errors(ended: Latest, running: Latest, with_others: bool) -> str:
    sources = ["paper", "re-implementation"] if with_others else ["paper"]
    heads = [f"{source}, {what}" for source in sources for what in ("training", "test")]
    lines = []
    for net, rows in {**ended, **running}.items():
        others = [*published.PAPER.get(str(net), (None, None))]
        others += published.errors(str(net), math.ceil(rows[-1].epoch)) if with_others else ()
        lines.append(
            [
                str(net) if net in ended else f"{net} (at iteration {rows[-1].iteration:,})",
                _mean_and_std([row.train_error for row in rows]),
                _mean_and_std([row.test_error for row in rows]),
                *("" if error is None else f"{error:g}" for error in others),
                f"{sum(row.seconds for row in rows) / 60:.1f}",
            ]
        )
    return markdown_table(["net", "training error", "test error", *heads, "minutes"], lines)


def _mean_and_std(values: Sequence[float]) -> str:
    mean = f"{statistics.mean(values):.2f}"
    return f"{mean} ± {statistics.stdev(values):.2f}" if len(values) > 1 else mean


def _comparisons(ended: Latest, running: Latest) -> str:
    """Compare the nets that have ended; if none has, all, where they are at one iteration."""
    reached = {row.iteration for rows in running.values() for row in rows}
    so_far = not ended and len(reached) == 1
    lines = [
        [
            *(f"{c.net}", f"{c.error:.2f} %", f"{c.reference}", f"{c.reference_error:.2f} %"),
            *(f"{c.ratio:.2f}", c.verdict + ": degradation" * (c.is_degradation and not so_far)),
        ]
        for c in compare(running if so_far else ended)
    ]
    error = "training error" + (f", after {max(reached):,} iterations" if so_far else "")
    heads = ["net", error, "against", "its training error", "ratio", "error is"]
    return f"{markdown_table(heads, lines)}\n\n{_DEGRADATION}" if lines else ""


def _limits(config: Config, reached: int, finished: bool) -> list[str]:
    """Return what a reader must know of a run that has `reached` an iteration."""
    digits, papers = config.dataset == "digits", config.is_the_papers
    settings = (config.schedule, config.lr, config.batch, config.validation)
    tuned = digits and settings == ("quick", None, None, False)
    return [
        _DIGITS * digits,
        "The learning rate was chosen on a validation split of the training images "
        "(`--validation`), not on the test images." * tuned,
        "This is the paper's task, its recipe and its length." * (papers and finished),
        f"The paper trains for 64,000 iterations; this run has reached {reached:,}: the order of "
        "the nets can be seen early, the final errors cannot." * (not digits and reached < 64_000),
        "What is called test error is that on training images that were held out."
        * config.validation,
        f"The errors are those after the {'last' if finished else 'latest'} epoch: none was picked "
        "for being low.",
    ]
