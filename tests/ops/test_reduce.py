"""Sums, means and maxima against PyTorch, and what raises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import LAYOUTS, assert_same, laid_out, needs_torch, run, torch, torch_run

from minires import Tensor
from minires.errors import ShapeError


@st.composite
def reductions(draw):
    """x with equal values in it, and dimensions of it: None, one, or several."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x = laid_out(rng.integers(-3, 4, shape).astype(float), draw(st.sampled_from([*LAYOUTS])))
    one = st.integers(-len(shape), len(shape) - 1)
    several = st.lists(one, min_size=1, unique_by=lambda d: d % len(shape)).map(tuple)
    return x, draw(st.none() | one | several), draw(st.booleans())


def values(result):
    """The values of (values, indices), and any other result itself."""
    return getattr(result, "values", result)


@needs_torch
@pytest.mark.parametrize("name", ["sum", "mean", "max", "min"])
@given(reductions())
def test_is_pytorch(name, reduction):
    x, dim, keepdim = reduction
    y, gradients, gy = run(lambda x: values(getattr(x, name)(dim, keepdim)), x)
    everything = tuple(range(x.ndim)) if dim is None else dim
    # torch.amax, as Max here, divides the gradient between equal maxima; torch.max does not.
    theirs = {"max": "amax", "min": "amin"}.get(name, name)
    assert_same((y, gradients), torch_run(lambda x: getattr(x, theirs)(everything, keepdim), gy, x))


def test_values_and_gradients_by_hand():
    x = np.array([[1.0, 5.0, 5.0], [2.0, 0.0, 1.0]])
    y, (gx,), gy = run(lambda x: x.max(1).values, x)
    assert y.tolist() == [5, 2]
    assert_same(gx, [[0, gy[0] / 2, gy[0] / 2], [gy[1], 0, 0]])
    y, (gx,), gy = run(lambda x: x.mean(1, keepdim=True), x)
    assert_same(y, [[11 / 3], [1]])
    assert_same(gx, np.repeat(gy / 3, 3, axis=1))
    y, (gx,), gy = run(lambda x: x.sum(0), x)
    assert y.tolist() == [3, 5, 6]
    assert_same(gx, [gy, gy])


def test_of_a_single_number():
    for name in ("sum", "mean", "max", "min"):
        y, (gx,), gy = run(lambda x, name=name: getattr(x, name)(), np.array(3.0))
        assert y == 3
        assert gx == gy


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min"])
@pytest.mark.parametrize("dim", [2, -3, (0, 2), (0, 0), (1, -1)])
def test_raises_for_dimensions_that_are_not_there(name, dim):
    with pytest.raises(ShapeError) as refusal:
        getattr(Tensor(np.ones((2, 3))), name)(dim)
    assert f"{name.capitalize()} got dim={dim} for shape (2, 3)" in str(refusal.value)


@pytest.mark.parametrize("name", ["mean", "max", "min"])
@pytest.mark.parametrize("dim", [0, None, (0, 1), -2])
def test_the_mean_and_the_maximum_of_nothing_raise(name, dim):
    with pytest.raises(ShapeError, match=r"for shape \(0, 3\); expected an element along it"):
        getattr(Tensor(np.ones((0, 3))), name)(dim)


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min"])
def test_of_no_rows_there_are_no_results(name):
    y, (gx,), _ = run(lambda x: values(getattr(x, name)(1)), np.ones((0, 3)))
    assert y.shape == (0,)
    assert gx.shape == (0, 3)


def test_the_gradient_of_a_maximum_that_is_no_number_goes_to_the_nans():
    x = np.array([[1, np.nan, np.nan], [2, np.inf, 3]])
    y, (gx,), gy = run(lambda x: x.max(1).values, x)
    np.testing.assert_array_equal(y, [np.nan, np.inf])
    assert_same(gx, [[0, gy[0] / 2, gy[0] / 2], [0, gy[1], 0]])


@needs_torch
@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize("keepdim", [False, True])
def test_along_one_dimension_there_are_values_and_indices(name, keepdim):
    x = np.array([[1, 5, 5, 0], [2, np.nan, 1, np.nan], [-1, -3, -3, 2]])
    ours, theirs = (getattr(t, name)(1, keepdim) for t in (Tensor(x), torch.from_numpy(x)))
    np.testing.assert_array_equal(ours.values.numpy(), theirs.values.numpy())
    np.testing.assert_array_equal(ours.indices, theirs.indices.numpy())
    largest, place = getattr(Tensor(x), f"arg{name}")(1, keepdim), ours[1]
    np.testing.assert_array_equal(largest, place)


def test_an_infinite_gradient_stays_with_the_maximum():
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    x.max().backward(np.inf)
    assert x.grad.tolist() == [0, np.inf]


def test_a_numpy_integer_is_a_dimension():
    assert Tensor(np.ones((2, 3))).sum(np.int64(1)).shape == (2,)


@pytest.mark.parametrize("dim", [1.0, "1", (0, 1.0)])
def test_what_is_no_integer_raises(dim):
    with pytest.raises(ShapeError, match="got dim="):
        Tensor(np.ones((2, 3))).sum(dim)
