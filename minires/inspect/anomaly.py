"""Where the first NaN came from, forward or backward."""

from collections.abc import Iterator
from contextlib import contextmanager

from ..autograd import Op, Step
from ..backend import Array, array_module
from ..errors import NonFiniteError
from ..modes import watching, watching_steps


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Inside, the first NaN or infinity that an operation makes is refused, by name and line.

    That may be the output of a forward, or a gradient that a backward hands on.

    Raises:
        NonFiniteError: names the op, its module, the forward line, and whether the op made
            the NaN or was given it.
    """
    with watching(_refuse_output), watching_steps(_refuse_gradients):
        yield


def _refuse_output(op: Op, inputs: tuple[Array | None, ...], output: Array) -> None:
    if _finite(output):
        return
    named = zip(op.input_names, inputs, strict=False)
    given = [name for name, x in named if x is not None and not _finite(x)]
    origin = f"was already in its input {' and '.join(given)}" if given else "was made by it"
    raise NonFiniteError(f"{op.name} ({op.where}) gave a NaN or an infinity; it {origin}")


def _refuse_gradients(step: Step) -> None:
    targets = zip(step.targets, step.gxs, strict=True)
    bad = [t.name for t, gx in targets if gx is not None and not _finite(gx)]
    if bad:
        origin = (
            "was made by it" if _finite(step.gy) else "was already in the gradient it was given"
        )
        raise NonFiniteError(
            f"backward of {step.op.name} ({step.op.where}) gave its input {' and '.join(bad)} a "
            f"NaN or an infinity; it {origin}"
        )


def _finite(array: Array) -> bool:
    return bool(array_module(array).isfinite(array).all())
