"""The files that a run of fine-tuning leaves for a reader.

    finetune.png      loss and accuracy by epoch
    summary.md        what came of it, in words
    classes.txt       the names of the classes, in the order of the net's outputs
    left_out.txt      the files that could not be decoded, and why; where there are any

and when it has ended, from the best weights:

    predictions.csv   what each validation picture was taken for
    confusion.png     the same, counted
    mistakes.html     those that were taken for something else, the surest first
"""

import csv
import io
from collections.abc import Sequence

from ...runs import RunFolder
from ..confusion_figure import confusion_figure
from ..curves_figure import finetuning_figure
from ..folders import ImageFolder
from ..images import decode
from ..mistakes_page import Mistake, mistakes_page
from .outcomes import Outcome, confusion_matrix
from .result import Result, best
from .summary import summary

_MOST_MISTAKES = 200  # on a page, which takes some 10 kB for each


def write_report(out: RunFolder, result: Result, outcomes: Sequence[Outcome]) -> None:
    """Write all files; `outcomes` are those of a finished run, and else none.

    Raises:
        RunError: the folder cannot be written; DataError: a picture can be decoded no longer.
    """
    folder, left_out = result.found
    _write_lines(out, "classes.txt", [" ".join(name.split()) for name in folder.classes])
    if left_out:
        _write_lines(out, "left_out.txt", list(left_out.values()))
    if result.rows:
        out.write_history(list(result.rows))
        names = result.config.model, folder.root.name
        out.write("finetune.png", finetuning_figure(result.rows, best(result.rows), *names))
    if outcomes:
        matrix = confusion_matrix(outcomes, len(folder.classes))
        title = f"{matrix.trace():,} of {matrix.sum():,} validation pictures right"
        out.write("confusion.png", confusion_figure(matrix, folder.classes, title))
        out.write("predictions.csv", _predictions(outcomes, folder.classes))
        out.write("mistakes.html", _mistakes(outcomes, folder))
    _write_lines(out, "summary.md", [summary(result, outcomes, out.path)])


def _write_lines(out: RunFolder, name: str, lines: Sequence[str]) -> None:
    # A name that is no text, such as one of another system's encoding, must not end a run.
    out.write(name, ("\n".join(lines) + "\n").encode(errors="replace"))


def _predictions(outcomes: Sequence[Outcome], classes: Sequence[str]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "class", "taken_for", "probability"])
    for path, label, guess, probability in outcomes:
        writer.writerow([path, classes[label], classes[guess], f"{probability:.4f}"])
    return text.getvalue().encode(errors="replace")


def _mistakes(outcomes: Sequence[Outcome], folder: ImageFolder) -> bytes:
    wrong = sorted(
        (outcome for outcome in outcomes if outcome.guess != outcome.label),
        key=lambda outcome: -outcome.probability,
    )
    shown = wrong[:_MOST_MISTAKES]
    mistakes = (
        Mistake(
            decode(folder.root / outcome.path),
            outcome.path,
            folder.classes[outcome.label],
            folder.classes[outcome.guess],
            outcome.probability,
        )
        for outcome in shown
    )
    some = f"; these are the {len(shown)} that it was surest of" if len(shown) < len(wrong) else ""
    page = mistakes_page(
        mistakes,
        title=f"{len(wrong):,} mistakes in {len(outcomes):,} pictures of {folder.root.name}",
        note=f"Validation pictures that the net took for another class{some}. The surest first, "
        "with the probability that it gave to what it took them for. Among the first are often "
        "pictures in the wrong folder.",
    )
    return page.html.encode(errors="replace")
