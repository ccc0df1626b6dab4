"""A run's configuration: read back from its config.json, and compared with what is given now."""

import reprlib
from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from ..data import Dataset
from ..errors import RunError, UsageError
from ..files import brief
from ..train.values import check_value

T = TypeVar("T")

_LONGEST = 500  # letters of an error


def option(
    default: Any,
    help: str,
    path: Callable[[Path], Path] | None = None,
    nets: str | None = None,
) -> Any:
    """Return a field of a configuration that a command has an option for, see `cli.options`.

    Args:
        default: the field's.
        help: what `--help` says of the option; "{default}" stands for the default.
        path: for a text that is a path, makes it one for every working directory.
        nets: for names of nets, the family whose names a shell completes.
    """
    return field(default=default, metadata={"help": help, "path": path, "nets": nets})


def parse_config(config_class: type[T], values: dict[str, Any], out: Path) -> T:
    """Return an instance of a dataclass, from the config.json of the run in `out`.

    Args:
        config_class: a dataclass; each field has a type that JSON knows, such a type or None, or
            a tuple of such a type.
        values: what `RunFolder.open` returned; names that are no fields are ignored.
        out: the run's folder, for the message.

    Raises:
        RunError: it is of another experiment, or a value is missing or altered.
    """
    try:
        kinds = get_type_hints(config_class)
        return config_class(**{name: _parse(name, values[name], kinds[name]) for name in kinds})
    except (KeyError, TypeError, ValueError, OverflowError, MemoryError) as error:
        raise RunError(
            f"the configuration of the run in {out} is of another experiment, or was altered: "
            f"{brief(error, _LONGEST)}"
        ) from error


def _parse(name: str, value: Any, kind: Any) -> Any:
    """The value of a field of type `kind`; raises as `check_value` if it cannot be one."""
    if get_origin(kind) is tuple:
        check_value(name, value, list)  # JSON knows no tuples
        return tuple(_parse(name, element, get_args(kind)[0]) for element in value)
    check_value(name, value, kind)
    return value


def check_least(config: Any, **least: int) -> None:
    """Raise UsageError for the first field that is below its least value; None is not checked."""
    for name, bound in least.items():
        value = getattr(config, name)
        if value is not None and value < bound:
            raise UsageError(f"{name} must be at least {bound}, got {value}")


def check_same_options(config: Any, given: dict[str, Any], out: Path) -> None:
    """Raise UsageError, which names the first, if options given on resuming differ from the run's.

    Args:
        config: the run's configuration, a dataclass.
        given: fields of it that the user gave again.
        out: the run's folder.
    """
    for name, value in given.items():
        has = getattr(config, name)
        if value != has:
            raise UsageError(
                f"the run in {out} has {name} = {_plain(has)}, but {_plain(value)} was asked for; "
                "leave the option out, or start a new run"
            )


def check_same_data(dataset: Dataset, values: dict[str, Any], out: Path) -> None:
    """Raise UsageError if a dataset has another digest than that in `values`; names both.

    Args:
        dataset: the data.
        values: the config.json of the run in `out`.
        out: the run's folder.
    """
    expected = values.get("data_sha256")
    if dataset.digest != expected:
        raise UsageError(
            f"the data is not what the run in {out} was started on: its SHA-256 is "
            f"{dataset.digest}, expected {reprlib.repr(expected)}"
        )


def _plain(value: Any) -> str:
    return brief(",".join(map(str, value)) if isinstance(value, tuple) else value)
