"""What a run was begun with, read back from its config.json and held against what is given now."""

from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from ..data import Dataset
from ..errors import RunError, UsageError, expect

T = TypeVar("T")


def option(default: Any, help: str, path: Callable[[Path], Path] | None = None) -> Any:
    """Return a field of a configuration that a command has an option for, see `cli.options`.

    Args:
        default: the field's.
        help: what `--help` says of the option; "{default}" stands for the default.
        path: for a text that is a path, makes it one for every working directory.
    """
    return field(default=default, metadata={"help": help, "path": path})


def from_facts(cls: type[T], facts: dict[str, Any], out: Path) -> T:
    """An instance of a dataclass, from the facts in the config.json of the run in `out`.

    Raises:
        RunError: it is of another experiment, or a value is missing or altered.
    """
    try:
        kinds = get_type_hints(cls)
        return cls(**{name: _checked(name, facts[name], kinds[name]) for name in kinds})
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"the configuration of the run in {out} is of another experiment, or was altered: "
            f"{error}"
        ) from error


def _checked(name: str, value: Any, kind: Any) -> Any:
    """The value of a field of type `kind`; raises TypeError where it is of another."""
    if get_origin(kind) is tuple:
        values = tuple(value)  # JSON knows lists alone
        return tuple(_checked(name, value, get_args(kind)[0]) for value in values)
    if type(value) not in (kind, *get_args(kind)):
        raise TypeError(f"{name} is {value!r}")
    return value


def expect_same_options(config: Any, asked: dict[str, Any], out: Path) -> None:
    """Refuse what was asked for on resuming, where the run in `out` has something else.

    Args:
        config: what the run was begun with, a dataclass.
        asked: fields of it that the user gave again.
        out: the folder.

    Raises:
        UsageError: names the first that differs.
    """
    for name, value in asked.items():
        has = getattr(config, name)
        expect(
            value == has,
            UsageError,
            f"the run in {out} has {name} = {_plain(has)}, but {_plain(value)} was asked for; "
            "leave the option out, or start a new run",
        )


def expect_same_data(dataset: Dataset, facts: dict[str, Any], out: Path) -> None:
    """Refuse data that are not those of the run in `out`.

    Raises:
        UsageError: the digests differ; has both.
    """
    expect(
        dataset.digest == facts.get("data_sha256"),
        UsageError,
        f"the data is not what the run in {out} was started on: its SHA-256 is "
        f"{dataset.digest}, expected {facts.get('data_sha256')}",
    )


def _plain(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
