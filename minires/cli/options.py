"""The options of a command, made from the fields of its configuration's dataclass."""

import inspect
from collections.abc import Callable
from dataclasses import Field, fields
from functools import wraps
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, TypeAlias, get_args, get_type_hints

import typer

from ..errors import UsageError
from .completion import nets_of

Command: TypeAlias = Callable[..., None]


def integer(text: str) -> int:
    """Return the integer in a text; raise BadParameter for another text."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"expected an integer, got {text!r}") from None


def number(text: str) -> float:
    """Return the number in a text; raise BadParameter for another text."""
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"expected a number, got {text!r}") from None


def names(text: str) -> tuple[str, ...]:
    """Return the parts between commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def integers(text: str) -> tuple[int, ...]:
    """Return the integers between commas; raise BadParameter for another text."""
    try:
        return tuple(map(int, names(text)))
    except ValueError:
        raise typer.BadParameter(f"must be integers with commas between, got {text!r}") from None


def shape(text: str) -> tuple[int, int, int]:
    """Return the sizes in a text like 3x224x224; raise BadParameter for another text."""
    try:
        channels, height, width = map(int, text.split("x"))
    except ValueError:
        raise typer.BadParameter(f"must be like 3x224x224, got {text!r}") from None
    return channels, height, width


# How an option of each type is read, and what --help calls its value.
PARSERS: dict[Any, tuple[Callable[[str], Any], str]] = {
    int: (integer, "<int>"),
    float: (number, "<float>"),
    str: (str, "<str>"),
    Path: (Path, "<path>"),
    tuple[str, ...]: (names, "<str>"),
    tuple[int, ...]: (integers, "<str>"),
}


INTEGER: dict[str, Any] = {"parser": integer, "metavar": "<int>"}


def options_of(*configs: Any) -> Callable[[Command], Command]:
    """Return a decorator that gives a command the options of configurations.

    The command's first parameters, one for each configuration, get the values that were given on
    the command line, by the names of its fields; its other parameters are options of its own.

    Args:
        configs: dataclasses, whose fields with a help text are made with `runs.config.option`.
    """
    shared = [_parameters(config) for config in configs]

    def decorate(command: Command) -> Command:
        own = [*inspect.signature(command).parameters.values()][len(configs) :]

        @wraps(command)
        def run(**values: Any) -> None:
            asked = [{option.name: values.pop(option.name) for option in part} for part in shared]
            given = [{k: v for k, v in part.items() if v is not None} for part in asked]
            command(*given, **values)

        parameters = [*chain(*shared), *(p.replace(kind=p.KEYWORD_ONLY) for p in own)]
        vars(run)["__signature__"] = inspect.Signature(parameters)
        return run

    return decorate


def _parameters(config: Any) -> list[inspect.Parameter]:
    """Return the parameters of a command for the fields of a dataclass."""
    types = get_type_hints(config)
    return [_parameter(f, types[f.name]) for f in fields(config) if "help" in f.metadata]


def _parameter(field: Field[Any], type_: Any) -> inspect.Parameter:
    """Return the parameter of a command for a field; its default is None, for not given."""
    help_ = field.metadata["help"].format(default=field.default)
    if type_ is bool:
        flag = f"--{field.name.replace('_', '-')}"
        names = f"{flag}/--no-{flag[2:]}" if field.default else flag
        annotation: Any = Annotated[bool | None, typer.Option(names, help=help_)]
    else:
        parser, metavar = next(PARSERS[t] for t in (type_, *get_args(type_)) if t in PARSERS)
        make = field.metadata.get("path")
        if make:
            parser, metavar = (lambda text: str(make(Path(text)))), PARSERS[Path][1]
        family = field.metadata.get("nets")
        how: Any = {"autocompletion": nets_of(family)} if family else {}
        annotation = Annotated[Any, typer.Option(parser=parser, metavar=metavar, help=help_, **how)]
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(field.name, kind, default=None, annotation=annotation)


def old_and_new(text: str) -> tuple[str, str]:
    """Return the two sides of OLD=NEW."""
    old, equals, new = text.partition("=")
    if not (old and equals):
        raise UsageError(f"--rename must be OLD=NEW, got {text!r}")
    return old, new
