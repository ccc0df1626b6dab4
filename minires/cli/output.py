"""What commands show: progress bars, the summary of a run; and files that they write."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import count
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ..errors import RunError
from ..viz.live import can_draw_over
from .app import console, say

_WIDEST = 1000  # characters of a table


def progress_bars() -> Progress:
    """Return bars with a description, a count and the time left, shown where they can be drawn."""
    return Progress(
        TextColumn("{task.description:<10}", style="bold", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=console,
        disable=not can_draw_over(console),
    )


def waiting(text: str) -> AbstractContextManager[object]:
    """Return what shows a text and a spinner meanwhile, where they can be drawn."""
    return console.status(text) if can_draw_over(console) else nullcontext()


def show_summary(out: Path, *figures: str) -> None:
    """Print the summary.md of the run in `out`, and where its figures are.

    A terminal gets it laid out; a file or a pipe gets it as it is, with nothing left out.
    """
    text = (out / "summary.md").read_text(encoding="utf-8")
    if console.file.isatty():
        from rich.markdown import Markdown  # takes a while to import

        console.print(Markdown(text))
    else:
        say(*text.splitlines())
    title = "figure" if len(figures) == 1 else "figures"
    say(f"{title}: {', '.join(str(out / figure) for figure in figures)}")


def new_table(title: str | None, *columns: str, numbers: Sequence[str] = ()) -> Table:
    """Return a table with columns of texts, which wrap, and then of numbers, which never do."""
    table = Table(title=title and escape(title), title_justify="left")
    for name in columns:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True, overflow="fold")
    return table


def show_table(table: Table) -> None:
    """Print a table: as wide as the terminal, or, in a file or a pipe, as wide as it is."""
    with_room = console if console.file.isatty() else Console(width=_WIDEST)
    with_room.print(table)


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
