"""Numerical check of a hand-written backward pass, as torch.autograd.gradcheck."""

from collections.abc import Callable, Sequence

import numpy as np

from ..backend import Array, array_module, to_numpy
from ..errors import DTypeError, GradientError, UsageError
from ..modes import no_grad
from .tensor import Tensor


def gradcheck(
    function: Callable[..., Tensor],
    inputs: Sequence[Tensor],
    eps: float = 1e-6,
    rtol: float = 1e-5,
    atol: float = 1e-10,
    seed: int = 0,
) -> float:
    """Compare backward with central differences, input by input, element by element.

    A random cotangent v makes one number of the output, s = v · f(x). For each element of
    each input that requires a gradient, ds/dx from backward is held against
    (s(x + eps) − s(x − eps)) / 2 eps. The cotangent is random because an even one hides
    mistakes: the gradient of a sum of batch norm's outputs is 0, whatever its backward does.

    Args:
        function: takes the inputs, returns one Tensor; must be smooth within eps of them.
        inputs: tensors; those with requires_grad are checked and must be float64.
        eps: the step of the differences.
        rtol: the largest difference allowed, as a share of the input's largest gradient.
        atol: added to it, for gradients that are 0; and so is what rounding s costs, which
            grows with the outputs, so that tiny gradients are held to a tiny difference.
        seed: of the cotangent.

    Returns:
        The largest difference found, as a share of the largest gradient of its input.

    Raises:
        GradientError: a gradient is missing or differs; names the input and the element.
        DTypeError: an input that is to be checked is not float64, or none is to be.
    """
    checked = [(i, x) for i, x in enumerate(inputs) if x.requires_grad]
    if not checked or any(x.dtype != np.float64 for _, x in checked):
        raise DTypeError(
            "gradcheck needs float64 inputs with requires_grad=True, got "
            + ", ".join(f"{x.dtype} (requires_grad={x.requires_grad})" for x in inputs)
        )
    for _, x in checked:
        x.zero_grad()
    y = function(*inputs)
    if not isinstance(y, Tensor):
        raise UsageError(
            f"gradcheck needs a function that returns a Tensor, got {type(y).__name__}"
        )
    xp = array_module(y.data)
    # A stream of its own: inputs drawn from default_rng(seed) must not meet themselves here.
    rng = np.random.default_rng([seed, 271828])
    v = xp.asarray(rng.standard_normal(y.shape))
    y.backward(v)
    rounding = 8 * np.finfo(np.float64).eps * float(abs(v * y.data).sum()) / eps

    def s() -> float:
        with no_grad():
            return float((v * function(*inputs).data).sum())

    worst = 0.0
    for i, x in checked:
        if x.grad is None:
            raise GradientError(f"input {i}: backward left no gradient")
        analytic, numeric = to_numpy(x.grad), _differences(x, s, eps)
        with np.errstate(invalid="ignore"):  # infinity − infinity
            difference = np.abs(analytic - numeric)
        allowed = atol + rounding + rtol * float(np.abs(numeric).max(initial=0))
        # Written so that a NaN, which compares as false with everything, fails.
        if not ((difference <= allowed) & (difference < np.inf)).all():
            at = np.unravel_index(np.nan_to_num(difference, nan=np.inf).argmax(), x.shape)
            raise GradientError(
                f"input {i}, element {tuple(map(int, at))}: backward gives "
                f"{analytic[at]:.9g}, differences give {numeric[at]:.9g}"
            )
        worst = max(worst, rtol * float(difference.max(initial=0)) / (allowed or 1.0))
    return worst


def _differences(x: Tensor, s: Callable[[], float], eps: float) -> Array:
    """ds/dx by central differences; `x` is left as it was."""
    original = x.data
    numeric = np.empty(x.shape)
    try:
        for at in np.ndindex(*x.shape):
            ends = []
            for step in (eps, -eps):
                x.data = original.copy()
                x.data[at] += step
                ends.append(s())
            numeric[at] = (ends[0] - ends[1]) / (2 * eps)
    finally:
        x.data = original
    return numeric
