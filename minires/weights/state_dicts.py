"""Find the state dict in what a file of `torch.save` holds: at the top, or in a dict within.

Training scripts save a state dict with the epoch and the optimizer, under a name of their own.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, UsageError
from .pickled import Inert
from .stored import Stored

# Names of the tensors, the usual first: where there are several, the first of them is meant.
_USUAL = (
    *("state_dict", "model_state_dict", "model", "model_state", "net", "network"),
    *("weights", "params", "module", "state_dict_ema", "model_ema", "ema"),
)
_DEEPEST = 4  # dicts in dicts that are looked at
_LONGEST = 100  # letters of a name that a user would type
_SHOWN = 8  # entries that a sentence names


def choose(path: Path, content: Any, key: str | None) -> tuple[dict[str, Any], list[str]]:
    """Return the dict whose entries are the tensors, and sentences about what is passed over.

    It is the one with one of the usual names, at the top if there is one; else what the file
    holds itself, unless a dict within has more tensors; else the only dict within that has tensors.

    Args:
        path: the file, for messages.
        content: what it holds.
        key: that of another one, the names of dicts in dicts with dots between.

    Raises:
        DataError: there are no tensors.
        UsageError: there are none under `key`; or there are several state dicts and no `key`.
    """
    if not isinstance(content, dict):
        raise DataError(f"{path} holds a {_kind(content)}; expected a state dict, tensors by name")
    found = _by_key(content)
    if not found:
        raise DataError(
            f"{path} has no tensors at its top, nor in a dict within; there are: {listed(content)}"
        )
    wanted = _usual(found) if key is None else key
    if wanted is None or wanted not in found:
        wrong = "several state dicts" if key is None else f"no tensors under {key!r}"
        raise UsageError(
            f"{path} has {wrong}; name one of {listed(name for name in found if name)} "
            "with --key (key= in Python)"
        )
    return found[wanted], _passed_over(content, wanted, found)


def tensors_of(entries: Mapping[str, Any]) -> dict[str, Stored]:
    """Return the entries that are tensors."""
    return {name: entry for name, entry in entries.items() if isinstance(entry, Stored)}


def _by_key(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return all dicts with tensors, those near the top first; the key of the top itself is ""."""
    found: dict[str, dict[str, Any]] = {}
    seen = {id(content)}
    waiting = deque([("", 0, content)])
    while waiting:
        key, depth, entries = waiting.popleft()
        if tensors_of(entries):
            found.setdefault(key, entries)
        for name, value in entries.items() if depth < _DEEPEST else ():
            if isinstance(value, dict) and len(name) <= _LONGEST and id(value) not in seen:
                seen.add(id(value))
                waiting.append((f"{key}.{name}".lstrip("."), depth + 1, value))
    return found


def _usual(found: Mapping[str, Any]) -> str | None:
    """Return the key that is meant, or None if several might be."""
    if top := next((name for name in _USUAL if name in found), None):
        return top
    counts = {key: len(tensors_of(entries)) for key, entries in found.items()}
    if counts.get("", 0) == max(counts.values()):
        return ""
    for usual in _USUAL:
        within = [name for name in found if name.endswith(f".{usual}")]
        if within:
            return within[0] if len(within) == 1 else None
    named = [key for key in found if key]
    return named[0] if len(named) == 1 else None


def _passed_over(content: Mapping[str, Any], key: str, found: Mapping[str, Any]) -> list[str]:
    """Return sentences about all entries but the tensors under the key."""
    entries = found[key]
    others = [f"{name!r:.60} is no tensor ({_kind(value)})" for name, value in _no_tensors(entries)]
    if more := len(entries) - len(tensors_of(entries)) - len(others):
        others.append(f"{more} more entries are no tensors")
    if not key:
        return others
    beside = [name for name in content if not f"{key}.".startswith(f"{name}.")]
    said = f"; {listed(beside)} beside it: passed over" if beside else ""
    return [f"the tensors are those under {key!r}{said}", *others]


def _no_tensors(entries: Mapping[str, Any]) -> list[tuple[str, Any]]:
    others = ((name, value) for name, value in entries.items() if not isinstance(value, Stored))
    return [entry for entry, _ in zip(others, range(_SHOWN), strict=False)]


def _kind(value: Any) -> str:
    if isinstance(value, Inert):
        return value.kind
    if isinstance(value, np.dtype):
        return "dtype"
    return "tensor" if isinstance(value, Stored) else type(value).__name__


def listed(names: Iterable[str]) -> str:
    """Return the first names of a file in quotes, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(f"{name[:60]!r}" for name in names[:_SHOWN]) or "nothing") + more
