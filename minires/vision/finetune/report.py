"""Write the files of a fine-tuning run that people read.

    finetune.png      loss and accuracy by epoch
    summary.md        settings and results
    classes.txt       the names of the classes, in the order of the model's outputs
    left_out.txt      the files that could not be decoded, and why, if there are any

and when the run has finished, from the best weights:

    predictions.csv   the prediction for each validation image
    confusion.png     the same, counted
    mistakes.html     the wrong predictions, in descending order of probability
"""

import shlex
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ...runs import RunFolder
from ...runs.markdown import markdown_table
from ...runs.table import table
from ...text import markdown_text, printable
from ...viz.fonts import one_line
from .confusion import confusion_figure
from .curves import curves_figure
from .mistakes import mistakes_page
from .results import Result, best_row

# They describe the weights at the end of the run, so that more epochs make them untrue.
FINAL_FILES = ("confusion.png", "predictions.csv", "mistakes.html")


def write_report(out: RunFolder, result: Result) -> None:
    """Write all files; raise RunError if one cannot be written, and as `decode`."""
    folder, left_out = result.folder, result.left_out
    _write_lines(out, "classes.txt", (printable(" ".join(name.split())) for name in folder.classes))
    if left_out:
        _write_lines(out, "left_out.txt", left_out.values())
    if result.rows:
        out.write_history(list(result.rows))
        names = result.config.model, folder.root.name
        out.write("finetune.png", curves_figure(result.rows, best_row(result.rows), *names))
    if result.outcomes:
        matrix = result.confusion
        title = f"{matrix.trace():,} of {matrix.sum():,} validation images correct"
        out.write("confusion.png", confusion_figure(matrix, folder.classes, title))
        out.write("predictions.csv", _predictions(result))
        _write_lines(out, "mistakes.html", [mistakes_page(result)])
    _write_lines(out, "summary.md", [summary(result, out.path)])


def summary(result: Result, out: Path) -> str:
    """Return the settings and results of the run in `out` in Markdown."""
    config, folder, left_out = result.config, result.folder, len(result.left_out)
    augmentation = "random crops, half of them mirrored" if config.augment else "the middle"
    facts = [
        ("images", str(folder)),
        ("files left out", f"{left_out}, listed in left_out.txt" if left_out else "none"),
        ("input", f"{config.size}x{config.size} pixels; in training {augmentation}"),
        ("pretrained weights", markdown_text(config.weights or "none")),
        ("trained layers", config.trained),
        ("optimiser", f"SGD, momentum 0.9, learning rate {config.lr:g}, batch {config.batch}"),
        ("length", "1 epoch" if config.epochs == 1 else f"{config.epochs} epochs"),
        ("seed", str(config.seed)),
        *_accuracy(result),
        ("time", f"{result.seconds:.0f} s, {result.waited:.0f} s of it waiting for images"),
    ]
    header = "label", "class", "training", "validation", "correct", "most frequent mistake"
    command = [
        *("minires", "classify", "image.jpg", "--model", config.model, "--size", str(config.size)),
        *("--weights", str(out / "weights" / "best.safetensors")),
        *("--labels", str(out / "classes.txt")),
    ]
    title = f"# {config.model} on {_short(folder.root.name)}"
    parts = [title, markdown_table(("model", config.model), facts)]
    if result.outcomes:
        parts.append(markdown_table(header, _classes(result)))
        parts.append(f"To use it:\n\n```sh\n{printable(shlex.join(command))}\n```")
    else:
        parts.append("**The run is not finished.**")
    return "\n\n".join(parts)


def _accuracy(result: Result) -> list[tuple[str, str]]:
    if not result.rows:
        return []
    best, last = best_row(result.rows), result.rows[-1]
    labels = result.folder.val.labels
    label, count = Counter(labels).most_common(1)[0]
    share = f"{100 * count / len(labels):.2f} % ({_short(result.folder.classes[label])})"
    accuracy = f"**{100 - best.test_error:.2f} %** after epoch {best.epoch:g}, kept"
    return [
        ("best validation accuracy", accuracy),
        ("", "(chosen by the validation images: expect slightly less on new images)"),
        ("last validation accuracy", f"{100 - last.test_error:.2f} % after epoch {last.epoch:g}"),
        ("share of the most frequent class", share),
    ]


def _classes(result: Result) -> Iterable[tuple[str, ...]]:
    """Yield a row for each class."""
    classes, matrix = result.folder.classes, result.confusion
    trained_on = Counter(result.folder.train.labels)
    for label, counts in enumerate(matrix.tolist()):
        total, correct = sum(counts), counts[label]
        counts[label] = 0
        mistake = counts.index(max(counts))
        yield (
            str(label),
            _short(classes[label]),
            f"{trained_on[label]:,}",
            f"{total:,}",
            f"{100 * correct / total:.1f} %" if total else "",
            f"{_short(classes[mistake])} ({counts[mistake]})" if counts[mistake] else "",
        )


def _predictions(result: Result) -> bytes:
    classes = result.folder.classes
    columns = ("file", "class", "taken_for", "probability")
    rows = (
        (path, classes[label], classes[predicted], f"{probability:.4f}")
        for path, label, predicted, probability in result.outcomes
    )
    return table(columns, (dict(zip(columns, row, strict=True)) for row in rows))


def _short(name: str) -> str:
    """Return a name for Markdown."""
    return markdown_text(one_line(name, 60))


def _write_lines(out: RunFolder, name: str, lines: Iterable[str]) -> None:
    out.write(name, ("\n".join(lines) + "\n").encode())
