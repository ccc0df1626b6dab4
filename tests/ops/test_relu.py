"""The rectifier, at its kink and everywhere else."""

import numpy as np
import pytest
from oracles import LAYOUTS, laid_out, run

from minires import Tensor
from minires import functional as F


@pytest.mark.parametrize("layout", LAYOUTS)
def test_is_the_loop(layout):
    x = laid_out(np.random.default_rng(0).normal(size=(2, 3, 4, 5)), layout)
    y, (gx,), gy = run(F.relu, x)
    for at in np.ndindex(*x.shape):
        assert y[at] == (x[at] if x[at] > 0 else 0)
        assert gx[at] == (gy[at] if x[at] > 0 else 0)


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_the_gradient_at_zero_is_zero(zero):
    _, (gx,), _ = run(F.relu, np.full(3, zero))
    assert not gx.any()


def test_the_smallest_numbers_pass():
    tiny = np.array([5e-324, -5e-324])
    y, (gx,), gy = run(F.relu, tiny)
    assert y.tolist() == [5e-324, 0]
    assert gx.tolist() == [gy[0], 0]


def test_a_nan_stays_one():
    assert np.isnan(Tensor([np.nan, 1]).relu().numpy()).tolist() == [True, False]


def test_the_gradient_of_a_nan_passes():
    """As in PyTorch: a NaN is not cut off, and what it leads to is not hidden."""
    x = Tensor(np.array([np.nan, -1, 1]), requires_grad=True)
    x.relu().backward(np.array([2.0, 3.0, 4.0]))
    assert x.grad.tolist() == [2, 0, 4]


def test_an_infinite_gradient_stays_out_of_what_was_cut_off():
    x = Tensor(np.array([-1.0, 1.0]), requires_grad=True)
    F.relu(x).backward(np.array([np.inf, np.inf]))
    assert x.grad.tolist() == [0, np.inf]
