"""The report of a degradation run: report.md, filled with errors and how they compare."""

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from ...data import Dataset
from ...models import NetSpec
from ...runs.markdown import fill_template, markdown_table
from ...train import Recipe, Row
from ...train.recipe import epoch_length
from . import published
from .comparison import compare, finding, latest
from .config import Config

Latest: TypeAlias = dict[NetSpec, list[Row]]  # the latest row of each seed, by net

# What differs in a run that was resumed on another number of ranks, by `sync_batchnorm`.
_ROUNDED = {
    True: "its sums are rounded otherwise",
    False: "batch norm's statistics are over more or fewer of them, and sums are rounded otherwise",
}


def summary(
    config: Config,
    dataset: Dataset,
    recipe: Recipe,
    rows: Sequence[Row],
    ranks: Sequence[int] = (1,),
) -> str:
    """Return the content of summary.md.

    Args:
        config, dataset, recipe: those of the run.
        rows: the history of the run so far.
        ranks: how many ranks it has run on, one number after the other.
    """
    ended = finished_rows(recipe, rows)
    running = {net: last for net, last in latest(rows).items() if net not in ended}
    finished = sum(map(len, ended.values())) == len(config.nets) * len(config.seeds)
    digits, reached = config.dataset == "digits", max(row.iteration for row in rows)
    return fill_template(
        Path(__file__).with_name("report.md"),
        **_settings(config, dataset, recipe, ranks),
        published=published,
        errors=_errors(ended, running, config.is_the_papers),
        unfinished=not finished,
        comparisons=_comparisons(ended, running),
        found=finding(compare(ended)),
        digits=digits,
        papers_length=config.is_the_papers and finished,
        short=not digits and reached < 64_000,
        reached=reached,
        last="last" if finished else "latest",
    )


def _settings(
    config: Config, dataset: Dataset, recipe: Recipe, ranks: Sequence[int]
) -> dict[str, Any]:
    """Return the fields of the template that say how the nets are trained."""
    tuned = (config.dataset, config.schedule, config.lr, config.batch, config.warmup)
    every = config.checkpoint_every
    length = epoch_length(dataset, recipe.batch_size)
    rising = f", after a rise over the first {recipe.warmup:,} iterations," * bool(recipe.warmup)
    return {
        "config": config,
        "dataset": dataset,
        "recipe": recipe,
        "mirrored": " and mirrored" * dataset.flip,
        "seeds": ", ".join(map(str, config.seeds)),
        "one_seed": len(config.seeds) == 1,
        "rising": rising,
        "scheduled": f" of the first {recipe.scheduled:,}" * bool(recipe.added),
        "first_epochs": f"{recipe.scheduled / length:.5g}",
        "epochs": f"{recipe.iterations / length:.5g}",
        "ranks": _ranks(config, ranks),
        "resumed_elsewhere": len(ranks) > 1,
        "rounded": _ROUNDED[config.sync_batchnorm],
        "tf32": " in TF32" * config.tf32,
        "checkpointed": f"; activations checkpointed every {every} block(s)" if every else "",
        "tuned": tuned == ("digits", "quick", None, None, None) and not config.validation,
    }


def finished_rows(recipe: Recipe, rows: Sequence[Row]) -> Latest:
    """Return the last row of each training that has ended, by net."""
    return latest([row for row in rows if row.iteration == recipe.iterations])


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


def _ranks(config: Config, ranks: Sequence[int]) -> str:
    if max(ranks) == 1:
        return ""
    whose = "all ranks" if config.sync_batchnorm else "each rank"
    return f"; on {', then '.join(map(str, ranks))} ranks, batch norm over the images of {whose}"


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
    return markdown_table(heads, lines) if lines else ""
