"""Choosing operations of a graph by name, class and module path."""

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from typing import Any, TypeAlias

from ..arguments import several, shown
from ..errors import UsageError
from ..ops import Op

# The name or the class of an operation, or several of them; None for all.
Ops: TypeAlias = str | type[Op] | Iterable[str | type[Op]] | None


def matching(ops: Ops, path: str | None) -> Callable[[Op], bool]:
    """Return a function that tells whether an operation is one of `ops`, in the module `path`.

    Args:
        ops: names such as "Add", classes, or several of either; None for all.
        path: a module's path such as "layer2" or "layer2.0.conv1", of the operation's module or
            of one around it; * stands for anything: "*.bn1"; None for all.

    Raises:
        UsageError: `ops` or `path` is something else.
    """
    wanted: Any = () if ops is None else ops
    wanted = (wanted,) if isinstance(wanted, str | type) else several(wanted, "ops")
    if not all(isinstance(op, str | type) for op in wanted):
        raise UsageError(f"ops are names or classes of operations, got {shown(ops)}")
    if path is not None and not isinstance(path, str):
        raise UsageError(f"path is the path of a module, got {shown(path)}")
    names = {op for op in wanted if isinstance(op, str)}
    classes = tuple(op for op in wanted if isinstance(op, type))
    # "layer1" is not "layer10": what follows must begin with a dot.
    within = None if path is None else re.compile(rf"{translate(path)}|{translate(path + '.*')}")

    def matches(op: Op) -> bool:
        chosen = ops is None or op.name in names or isinstance(op, classes)
        return chosen and (within is None or within.match(op.path) is not None)

    return matches


def expect_some(found: bool, wanted: str, there: Iterable[Op]) -> None:
    """Raise UsageError, with the operations `there`, unless some are `found` that were `wanted`."""
    if found:
        return
    there = list(there)
    names = ", ".join(sorted({op.name for op in there}))
    paths = sorted({op.path.split(".")[0] for op in there if op.path})
    listing = names + (f" in {', '.join(paths)}" if paths else "")
    raise UsageError(f"no operation fits {wanted}; there are {listing}")
