"""Find the operation that made the first NaN, forward or backward."""

from collections.abc import Iterator
from contextlib import contextmanager

from ..autograd import Op, Step
from ..autograd.hooks import backward_hook, forward_hook
from ..backend import Array, array_module
from ..errors import NonFiniteError


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Raise an error inside at the first NaN or infinity that an operation makes.

    That is in the output of its forward, or in an input gradient of its backward.

    Raises:
        NonFiniteError: names the op, its module, the forward line, and whether the op made
            the NaN or was given it.
    """
    with forward_hook(_check_output), backward_hook(_check_gradients):
        yield


def _check_output(op: Op, inputs: tuple[Array | None, ...], output: Array) -> None:
    if _finite(output):
        return
    named = zip(op.input_names, inputs, strict=False)
    given = [name for name, x in named if x is not None and not _finite(x)]
    origin = f"was already in its input {' and '.join(given)}" if given else "was made by it"
    raise NonFiniteError(f"{op.name} ({op.where}) gave a NaN or an infinity; it {origin}")


def _check_gradients(step: Step) -> None:
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
