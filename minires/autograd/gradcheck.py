"""Numerical check of a hand-written backward pass, as torch.autograd.gradcheck."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import arguments
from ..backend import Array, array_module, stream, to_numpy
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
    v · (f(x + eps) − f(x − eps)) / 2 eps. The cotangent is random because an even one hides
    mistakes: the gradient of a sum of batch norm's outputs is 0, whatever its backward does.
    An input that the function does not use has the gradient 0, and passes without one.

    Args:
        function: takes the inputs, returns one Tensor; must be smooth within eps of them.
        inputs: tensors; those with requires_grad are checked and must be float64.
        eps: the step of the differences.
        rtol: the largest difference allowed, as a share of the element's own gradient.
        atol: added to it, for gradients that are 0; and so is what rounding of the outputs costs,
            of those alone that depend on the element: a gradient of 1 is not lost beside one of a
            million, unless one output is the sum of both.
        seed: of the cotangent.

    Returns:
        The largest difference found, as a share of the largest gradient of its input.

    Raises:
        GradientError: a gradient is missing or differs; names the input and the element.
        UsageError: an argument cannot be meant.
        DTypeError: an input that is to be checked is not float64, or none is to be.
    """
    inputs = _expect_meant(function, inputs, eps, rtol, atol)
    checked = [(i, x) for i, x in enumerate(inputs) if x.requires_grad]
    for _, x in checked:
        x.zero_grad()
    y = function(*inputs)
    v = _cotangent(y, seed)
    if y.requires_grad:  # otherwise it uses none of the inputs
        y.backward(v)

    def f() -> Array:
        with no_grad():
            return function(*inputs).data

    differences = _Differences(f, y.data, v, eps)
    return max(_largest_share(i, x, differences, rtol, atol) for i, x in checked)


def _expect_meant(function: Any, inputs: Any, *tolerances: Any) -> list[Tensor]:
    """Return the inputs as a list, or raise an error if an argument cannot be meant."""
    arguments.function(function, "function")
    for name, value in zip(("eps", "rtol", "atol"), tolerances, strict=True):
        arguments.real(value, name, at_least=0)
    if tolerances[0] == 0:
        raise UsageError("eps must be above 0, got 0")
    if not isinstance(inputs, Sequence) or not all(isinstance(x, Tensor) for x in inputs):
        raise UsageError(f"gradcheck needs a list of tensors, got {arguments.shown(inputs)}")
    if made := next((x.op.name for x in inputs if x.op is not None), None):
        raise UsageError(f"gradcheck needs leaf tensors, got one that {made} made; detach() it")
    checked = [x for x in inputs if x.requires_grad]
    if not checked or any(x.dtype != np.float64 for x in checked):
        raise DTypeError(
            "gradcheck needs float64 inputs with requires_grad=True, got "
            + ", ".join(f"{x.dtype} (requires_grad={x.requires_grad})" for x in inputs)
        )
    return list(inputs)


def _cotangent(y: Any, seed: int) -> Array:
    """Return a random gradient of y; raise UsageError if that is no tensor."""
    if not isinstance(y, Tensor):
        raise UsageError(
            f"gradcheck needs a function that returns a Tensor, got {type(y).__name__}"
        )
    # A stream of its own: inputs drawn from default_rng(seed) are other numbers.
    return array_module(y.data).asarray(stream([seed, 271828]).standard_normal(y.shape))


def _largest_share(
    i: int, x: Tensor, differences: "_Differences", rtol: float, atol: float
) -> float:
    """Return the largest difference of input i, as a share; raise GradientError if it is wrong."""
    analytic: Array = np.zeros(x.shape) if x.grad is None else to_numpy(x.grad)
    numeric, rounding = np.empty(x.shape), np.empty(x.shape)
    for at in np.ndindex(*x.shape):
        numeric[at], rounding[at] = differences.at(x, at)
    with np.errstate(invalid="ignore"):  # infinity − infinity
        difference = np.asarray(np.abs(analytic - numeric))
    difference[np.isnan(difference)] = np.inf
    allowed = atol + rtol * np.abs(numeric)
    wrong = (difference > allowed + rounding) | (difference == np.inf)
    for at in sorted(map(tuple, np.argwhere(wrong)), key=lambda at: -difference[at]):
        far = allowed[at] + differences.rounding_far(x, at)
        if difference[at] > far or difference[at] == np.inf:
            given = "no gradient" if x.grad is None else f"{analytic[at]:.9g}"
            raise GradientError(
                f"input {i}, element {tuple(map(int, at))}: backward gives {given}, "
                f"differences give {numeric[at]:.9g}"
            )
    largest = float(np.abs(numeric).max(initial=0))
    scale = atol + float(rounding.max(initial=0)) + rtol * largest
    return rtol * float(difference.max(initial=0)) / (scale or 1.0)


class _Differences:
    """Central differences of s = v · f(x), and what rounding of the outputs adds to them.

    Args:
        f: computes the outputs from the inputs as they are.
        y: the outputs where no element has moved.
        v: the cotangent.
        eps: how far an element is moved each way.
    """

    def __init__(self, f: Callable[[], Array], y: Array, v: Array, eps: float) -> None:
        self.f, self.y, self.v, self.eps = f, y, v, eps
        self.xp = array_module(y)
        self.each = 8 * np.finfo(np.float64).eps * abs(v * y) / eps  # rounding of each output

    def at(self, x: Tensor, at: tuple[int, ...]) -> tuple[float, float]:
        """Return ds/dx of one element, and what rounding of the outputs that move adds to it."""
        high, low = self.moved(x, at, self.eps), self.moved(x, at, -self.eps)
        with np.errstate(invalid="ignore"):  # infinity − infinity
            changes = self.xp.where(high != low, self.v * (high - low), 0)
        return float(changes.sum()) / (2 * self.eps), self.rounding(high, low)

    def rounding_far(self, x: Tensor, at: tuple[int, ...]) -> float:
        """Return the same of the outputs that move if the element moves far, away from 0.

        What eps changes in an output may be less than its last digit.
        """
        value = float(x.data[at])
        with np.errstate(all="ignore"):  # an output may well overflow there
            return self.rounding(
                self.moved(x, at, math.copysign(max(1, abs(value)), value)), self.y
            )

    def rounding(self, a: Array, b: Array) -> float:
        """Return what rounding adds of the outputs that differ."""
        return float(self.xp.where(a != b, self.each, 0).sum())

    def moved(self, x: Tensor, at: tuple[int, ...], step: float) -> Array:
        """Return the outputs with one element of x moved; `x` is left as it was."""
        original = x.data
        try:
            x.data = original.copy()
            x.data[at] += step
            return self.f()
        finally:
            x.data = original
