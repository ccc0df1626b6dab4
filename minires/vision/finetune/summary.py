"""What came of a fine-tuning, in words."""

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ...viz.fonts import one_line
from .outcomes import Outcome
from .result import Result, best

_MOST_LISTED = 20


def summary(result: Result, outcomes: Sequence[Outcome], out: Path) -> str:
    """summary.md; `outcomes` are those of a finished run, and else none."""
    config, folder = result.config, result.found.folder
    parts = [
        f"# {config.model} on {one_line(folder.root.name, 60)}",
        _settings(result),
        *([] if result.finished else ["**The run is not finished.**"]),
        *([_accuracy(result)] if result.rows else []),
        *([_table(outcomes, result)] if outcomes else []),
        *([_left_out(result)] if result.found.left_out else []),
        *([_time(result)] if result.seconds else []),
        *([_use(result, out)] if result.finished else []),
    ]
    return "\n\n".join(parts)


def _settings(result: Result) -> str:
    config, folder = result.config, result.found.folder
    start = f"the weights in {config.weights}" if config.weights else "initial weights"
    chance = "random resized crops, mirrored half of the time" if config.augment else "the middle"
    return (
        f"{len(folder.train):,} training and {len(folder.val):,} validation pictures of "
        f"{len(folder.classes)} classes at {config.size}x{config.size} pixels; from {start}, with "
        f"a new last layer; {config.trained}; {config.epochs} epochs at batch {config.batch}, SGD "
        f"with momentum 0.9, learning rate {config.lr:g}; training sees {chance}; seed "
        f"{config.seed}."
    )


def _accuracy(result: Result) -> str:
    kept, last = best(result.rows), result.rows[-1]
    val = result.found.folder.val
    label, count = Counter(val.labels).most_common(1)[0]
    usual = one_line(result.found.folder.classes[label])
    return (
        f"**{100 - kept.test_error:.2f} % of the validation pictures right after epoch "
        f"{kept.epoch:g}**, whose weights are kept; {100 - last.test_error:.2f} % after epoch "
        f"{last.epoch:g}. Whoever says “{usual}” every time is right in "
        f"{100 * count / len(val):.2f} %. The best epoch was chosen by these very pictures, so "
        "that on new ones a little less is to be expected."
    )


def _table(outcomes: Sequence[Outcome], result: Result) -> str:
    """One row a class."""
    folder = result.found.folder
    trained_on = Counter(folder.train.labels)
    lines = [
        "| no. | class | to train on | to validate on | right | most often taken for |",
        "|---|---|---|---|---|---|",
    ]
    for label, name in enumerate(folder.classes):
        guesses = [o.guess for o in outcomes if o.label == label]
        right = f"{100 * guesses.count(label) / len(guesses):.1f} %" if guesses else ""
        wrong = Counter(guess for guess in guesses if guess != label).most_common(1)
        other = f"{_cell(folder.classes[wrong[0][0]])} ({wrong[0][1]})" if wrong else ""
        lines.append(
            f"| {label} | {_cell(name)} | {trained_on[label]:,} | {len(guesses):,} | {right} | "
            f"{other} |"
        )
    return "\n".join(lines)


def _cell(name: str) -> str:
    return one_line(name, 60).replace("|", "\\|")


def _left_out(result: Result) -> str:
    reasons = list(result.found.left_out.values())
    more = f"\n- and {len(reasons) - _MOST_LISTED} more, in left_out.txt"
    listed = "\n".join(f"- {one_line(reason, 300)}" for reason in reasons[:_MOST_LISTED])
    return f"{len(reasons)} files were left out:\n\n{listed}" + more * (len(reasons) > _MOST_LISTED)


def _time(result: Result) -> str:
    return (
        f"{result.seconds:.0f} seconds since the run was started or gone on with, "
        f"{100 * result.waited / result.seconds:.1f} % of them spent waiting for pictures."
    )


def _use(result: Result, out: Path) -> str:
    command = [
        *("minires", "classify", "photo.jpg", "--model", result.config.model),
        *("--weights", str(out / "weights" / "best.safetensors")),
        *("--labels", str(out / "classes.txt")),
    ]
    if result.config.size != 224:
        command += ["--size", str(result.config.size)]
    return f"To use it:\n\n```sh\n{shlex.join(command)}\n```"
