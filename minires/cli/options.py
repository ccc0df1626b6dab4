"""What options have in common: lists with commas, numbers, folders, the backend."""

from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from ..backend import use
from ..errors import UsageError
from ..models.blocks import Shortcut


def _used(context: typer.Context, name: str | None) -> str | None:
    """Make a backend that was asked for the default one, until the command has ended."""
    if name is not None:
        context.with_resource(use(name))
    return name


Backend: TypeAlias = Annotated[
    str | None,
    typer.Option(
        callback=_used, help="numpy or cupy; what MINIRES_BACKEND says, or numpy, by default."
    ),
]

ShortcutOption: TypeAlias = Annotated[
    Shortcut | None, typer.Option("--shortcut", parser=str, metavar="<str>", help="A, B or C.")
]
StrideIn: TypeAlias = Annotated[
    str, typer.Option(help="Where a bottleneck has its stride: 3x3 or 1x1.")
]
DataDir: TypeAlias = Annotated[
    Path | None, typer.Option(help="Folder with CIFAR-10's binary files.")
]
Download: TypeAlias = Annotated[
    bool, typer.Option("--download", help="Fetch CIFAR-10 from its home (170 MB), once.")
]
Resume: TypeAlias = Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")]


def integer(text: str) -> int:
    """An integer, or a refusal in the words of all others."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"expected an integer, got {text!r}") from None


def number(text: str) -> float:
    """A number, or a refusal in the words of all others."""
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"expected a number, got {text!r}") from None


INTEGER: dict[str, Any] = {"parser": integer, "metavar": "INTEGER"}
NUMBER: dict[str, Any] = {"parser": number, "metavar": "NUMBER"}


def names(text: str | None) -> tuple[str, ...] | None:
    """The parts between commas; None for none given."""
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


def integers(text: str | None, option: str) -> tuple[int, ...] | None:
    """The integers between commas.

    Raises:
        UsageError: something else is between them; names the option.
    """
    parts = names(text)
    try:
        return None if parts is None else tuple(int(part) for part in parts)
    except ValueError:
        raise UsageError(f"{option} must be integers with commas between, got {text!r}") from None


def shape(text: str) -> tuple[int, int, int]:
    """The channels, height and width in a text like 3x224x224.

    Raises:
        UsageError: it is not like that.
    """
    try:
        channels, height, width = map(int, text.split("x"))
    except ValueError:
        raise UsageError(f"--input must be like 3x224x224, got {text!r}") from None
    return channels, height, width


def free_folder(parent: Path, name: str) -> Path:
    """The first of parent/name-1, parent/name-2, ... that is not there."""
    number = 1
    while (parent / f"{name}-{number}").exists():
        number += 1
    return parent / f"{name}-{number}"
