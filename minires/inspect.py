"""Readers of the graph: where the first NaN came from."""

from collections.abc import Iterator
from contextlib import contextmanager

from .backend import Array, array_module
from .engine import Op, watching
from .errors import NonFiniteError


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Inside, the first forward that makes a NaN or an infinity is refused, by name and line.

    Raises:
        NonFiniteError: names the op, its module, the forward line, and whether the op made
            the NaN or was given it.
    """
    with watching(_refuse_nonfinite):
        yield


def _refuse_nonfinite(op: Op, inputs: tuple[Array | None, ...], output: Array) -> None:
    if _finite(output):
        return
    named = zip(op.input_names, inputs, strict=False)
    given = [name for name, x in named if x is not None and not _finite(x)]
    origin = f"was already in its input {' and '.join(given)}" if given else "was made by it"
    raise NonFiniteError(f"{op.name} ({op.where}) gave a NaN or an infinity; it {origin}")


def _finite(array: Array) -> bool:
    return bool(array_module(array).isfinite(array).all())
