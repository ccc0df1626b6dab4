"""Batch norm against the paper's chain of gradients and PyTorch, and what raises."""

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import LAYOUTS, assert_same, laid_out, needs_torch, run, torch_run

from minires import functional as F
from minires.errors import ShapeError, UsageError


@st.composite
def batches(draw):
    """x (N, C) or (N, C, H, W), away from 0 and in any layout, w and b."""
    shape = [draw(st.integers(2, 5)), draw(st.integers(1, 4))]
    shape += draw(st.sampled_from([[], [3], [2, 3], [1, 4]]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    offset, spread = draw(st.sampled_from([(0, 1), (5, 2), (-3, 0.1)]))
    x = laid_out(rng.normal(offset, spread, shape), draw(st.sampled_from([*LAYOUTS])))
    return x, rng.normal(size=shape[1]), rng.normal(size=shape[1])


def training(x, w, b, eps=1e-5):
    return F.batch_norm(x, None, None, w, b, training=True, eps=eps)


@pytest.mark.parametrize("eps", [1e-5, 0.1])
@given(batches())
def test_training_is_the_loops(eps, batch):
    x, w, b = batch
    y, gradients, gy = run(lambda *xs: training(*xs, eps), x, w, b)
    assert_same(y, oracles.batch_norm(x, w, b, eps), 1e-10)
    # Two values a channel leave next to no gradient: compared with what went in.
    expected = oracles.batch_norm_gradients(gy, x, w, eps)
    for got, right in zip(gradients, expected, strict=True):
        assert np.abs(got - right).max() < 1e-8 * (1 + np.abs(right).max())


@needs_torch
@given(batches())
def test_training_is_pytorch_with_its_running_statistics(batch):
    x, w, b = batch
    C = x.shape[1]
    ours = [np.full(C, 0.5), np.full(C, 2.0)]
    theirs = [oracles.to_torch(r) for r in ours]
    bn = oracles.torch.nn.functional.batch_norm
    y, gradients, gy = run(lambda x, w, b: F.batch_norm(x, *ours, w, b, True, 0.3, 1e-3), x, w, b)
    expected = torch_run(lambda x, w, b: bn(x, *theirs, w, b, True, 0.3, 1e-3), gy, x, w, b)
    assert_same((y, gradients), expected, 1e-8)
    assert_same(ours, [r.numpy() for r in theirs])


@needs_torch
@given(batches())
def test_evaluation_is_pytorch_forward_and_backward(batch):
    """A published engine's batch norm crashes in backward in this mode."""
    x, w, b = batch
    rng = np.random.default_rng(1)
    statistics = rng.normal(size=x.shape[1]), rng.uniform(0.5, 2, x.shape[1])
    before = [s.copy() for s in statistics]
    bn = oracles.torch.nn.functional.batch_norm
    y, gradients, gy = run(lambda x, w, b: F.batch_norm(x, *statistics, w, b), x, w, b)
    theirs = [oracles.to_torch(s) for s in statistics]
    assert_same((y, gradients), torch_run(lambda x, w, b: bn(x, *theirs, w, b), gy, x, w, b))
    assert_same(list(statistics), before, 0)


def test_evaluation_is_the_formula():
    x, w, b = np.array([[3.0, 1.0]]), np.array([2.0, 3.0]), np.array([10.0, 20.0])
    y, (gx, gw, gb), gy = run(
        lambda x, w, b: F.batch_norm(x, np.array([1.0, 1.0]), np.array([4.0, 1.0]), w, b, eps=0),
        *(x, w, b),
    )
    assert_same(y, [[12, 20]])
    assert_same(gx, gy * [[1, 3]])
    assert_same(gw, gy[0] * [1, 0])
    assert_same(gb, gy[0])


def test_each_channel_comes_out_with_the_mean_b_and_the_deviation_w():
    x = np.random.default_rng(0).normal(7, 3, (8, 3, 4, 4))
    w, b = np.array([1.0, 2.0, 0.5]), np.array([0.0, -1.0, 5.0])
    y = training(x, w, b, eps=1e-12).numpy()
    assert_same(y.mean((0, 2, 3)), b, 1e-12)
    assert_same(y.std((0, 2, 3)), w, 1e-9)


def test_the_gradient_loses_its_mean_and_its_part_along_x():
    """To shift or to scale all of x changes nothing; so an even cotangent gives 0."""
    x = np.random.default_rng(0).normal(size=(4, 3, 2, 2))
    _, (gx, *_), _ = run(training, x, np.ones(3), np.zeros(3))
    xhat = (x - x.mean((0, 2, 3), keepdims=True)) / x.std((0, 2, 3), keepdims=True)
    assert np.abs(gx.sum((0, 2, 3))).max() < 1e-12
    assert np.abs((gx * xhat).sum((0, 2, 3))).max() < 1e-3
    assert np.abs(gx).max() > 0.1


def test_the_running_variance_takes_in_the_unbiased_one():
    x = np.array([[1.0], [2.0], [6.0]])
    mean, var = np.array([0.0]), np.array([1.0])
    F.batch_norm(x, mean, var, np.ones(1), np.zeros(1), training=True, momentum=0.5)
    assert_same(mean, [1.5])
    assert_same(var, [0.5 + 0.5 * 7])


def test_a_momentum_of_1_leaves_nothing_of_former_statistics():
    x = np.array([[1.0, 1.0], [3.0, 3.0]])
    mean, var = np.array([np.nan, np.inf]), np.array([np.inf, 1.0])
    F.batch_norm(x, mean, var, np.ones(2), np.zeros(2), training=True, momentum=1)
    assert mean.tolist() == var.tolist() == [2, 2]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_running_statistics_keep_their_type_and_place(dtype):
    x = np.random.default_rng(0).normal(size=(4, 2)).astype(dtype)
    mean, var = np.zeros(2, dtype), np.ones(2, dtype)
    F.batch_norm(x, mean, var, np.ones(2, dtype), np.zeros(2, dtype), training=True)
    assert mean.dtype == var.dtype == dtype
    assert mean.any()


V = np.ones(3)


@pytest.mark.parametrize(
    ("shape", "mean", "var", "w", "b", "train", "said"),
    [
        ((1, 3), None, None, V, V, True, ["more than one value a channel", "(1, 3)"]),
        ((1, 3, 1, 1), None, None, V, V, True, ["more than one value", "(1, 3, 1, 1)"]),
        ((0, 3, 2, 2), None, None, V, V, True, ["more than one value", "(0, 3, 2, 2)"]),
        ((4,), None, None, V, V, True, ["(N, C, ...)", "(4,)"]),
        ((4,), V, V, V, V, False, ["(N, C, ...)", "(4,)"]),
        ((4, 3), None, None, V[:2], V, True, ["w of shape (2,)", "(4, 3)", "(3,)"]),
        ((4, 3), None, None, V, V[:2], True, ["b of shape (2,)", "(3,)"]),
        ((4, 3), V[:2], V, V, V, True, ["(2,)", "(4, 3)", "(3,)"]),
        ((4, 3), V, V[:2], V, V, True, ["(2,)", "(4, 3)", "(3,)"]),
        ((4, 3), V[:2], V, V, V, False, ["running_mean of shape (2,)", "(3,)"]),
        ((4, 3), V, V[:2], V, V, False, ["running_var of shape (2,)", "(3,)"]),
    ],
)
def test_raises(shape, mean, var, w, b, train, said):
    statistics = [None if s is None else s.copy() for s in (mean, var)]
    with pytest.raises(ShapeError) as refusal:
        F.batch_norm(np.random.default_rng(0).normal(size=shape), *statistics, w, b, train)
    assert all(words in str(refusal.value) for words in said)
    assert all(s is None or (s == 1).all() for s in statistics), "changed before it was refused"


def test_evaluation_needs_running_statistics():
    with pytest.raises(UsageError, match="needs running_mean and running_var"):
        F.batch_norm(np.ones((4, 3)), None, V, V, V)
