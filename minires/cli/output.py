"""What commands show: progress bars, the summary of a run; and files that they write."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from rich.markdown import Markdown
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..errors import RunError
from .app import console, say


def progress_bars() -> Progress:
    """Return bars with a description, a count and the time left, which only a terminal shows."""
    return Progress(
        TextColumn("[bold]{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=console,
        disable=not console.is_terminal,
    )


def show_summary(out: Path, *figures: str) -> None:
    """Print the summary.md of the run in `out`, and where its figures are."""
    console.print(Markdown((out / "summary.md").read_text(encoding="utf-8")))
    title = "figure" if len(figures) == 1 else "figures"
    say(f"{title}: {', '.join(str(out / figure) for figure in figures)}")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise RunError, with the path and the reason, where a file cannot be written inside."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror or error}") from error


def free_name(stem: str, taken: set[str]) -> str:
    """Return a name for the figure of an image that no other image has."""
    names = (f"{stem}{f'-{number}' if number > 1 else ''}.cam.png" for number in count(1))
    name = next(name for name in names if name not in taken)
    taken.add(name)
    return name


def sizes(shape: tuple[object, ...]) -> str:
    """Return (3, 224, 224) as "3x224x224"."""
    return "x".join(map(str, shape))


def untrained_size(trained: int, asked: object) -> str:
    """Return the warning that a net is given images of another size than it was trained on."""
    return (
        f"minires: these weights were trained on images {trained} pixels high; on images of "
        f"{asked} the net may compute something else"
    )
