"""Every backward pass, broken on purpose: the numerical check must see each of the breaks."""

import numpy as np
import pytest

from minires.autograd import Op
from minires.autograd.gradcheck import gradcheck
from minires.errors import GradientError
from minires.inspect.gradchecks import Case, cases, check
from minires.kernels import REFERENCE
from minires.ops.arithmetic import Neg

BREAKS = {
    "scaled by 1.001": lambda gx: gx * 1.001,
    "negated": lambda gx: -gx,
    "zeroed": lambda gx: gx * 0,
    "one element off by 1 %": lambda gx: gx + 0.01 * gx * (abs(gx) == abs(gx).max()),
    "the smallest element halved": lambda gx: gx / (1 + (abs(gx) == abs(gx)[gx != 0].min())),
    "NaN": lambda gx: gx * np.nan,
    "missing": lambda gx: None,
}


def ops_of(case: Case) -> list[Op]:
    """The ops of the case's class that the case runs."""
    found, waiting = [], [case.function(*case.inputs).op]
    while waiting:
        op = waiting.pop()
        found += [op] if isinstance(op, case.op) else []
        waiting += [source for source in op.sources if isinstance(source, Op)]
    return found


def breakable() -> list:
    """Each case, with each input of its op that wants a gradient."""
    return [
        pytest.param(case, i, id=f"{case.op.__name__}-{case.label}-input {i}")
        for case in cases()
        for i, wanted in enumerate(ops_of(case)[0].needs_grad)
        if wanted
    ]


@pytest.mark.parametrize("case", cases(), ids=lambda c: f"{c.op.__name__}-{c.label}")
def test_every_backward_is_right(case):
    result = check(case)
    assert result.failure is None
    assert result.error < 1e-7
    assert ops_of(case), "the case does not run its op"


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize(("case", "i"), breakable())
def test_a_broken_backward_is_seen(case, i, how, monkeypatch):
    kernel = ops_of(case)[0].kernel  # the reference or a faster one
    runs = case.op if kernel is REFERENCE else type(kernel)
    right = runs.backward

    def broken(*arguments):
        gxs = right(*arguments)
        gxs = list(gxs) if isinstance(gxs, tuple) else [gxs]
        gxs[i] = BREAKS[how](gxs[i])
        return tuple(gxs)

    monkeypatch.setattr(runs, "backward", broken)
    with pytest.raises(GradientError, match="input"):
        gradcheck(case.function, case.inputs)


def test_check_reports_a_failure_in_words(monkeypatch):
    case = next(case for case in cases() if case.op is Neg)
    monkeypatch.setattr(Neg, "backward", lambda op, gy: gy)
    result = check(case)
    assert result.case is case
    assert "input 0, element" in result.failure
    assert np.isnan(result.error)
    assert result.seconds > 0
    monkeypatch.setattr(Neg, "backward", lambda op, gy: gy[:1])
    assert "Neg hands its input x a gradient of shape (1, 3)" in check(case).failure
