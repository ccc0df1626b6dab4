"""Log-softmax and cross-entropy against loops and PyTorch, far out, and what raises."""

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import LAYOUTS, assert_same, laid_out, needs_torch, run, torch_run

from minires import Tensor
from minires import functional as F
from minires.errors import LabelError, ShapeError, UsageError

seeds, layouts = st.integers(0, 2**32), st.sampled_from([*LAYOUTS])
smoothings = st.sampled_from([0.0, 0.1, 0.5, 1.0])


def logits(seed, layout, shape, spread=3.0):
    return laid_out(np.random.default_rng(seed).normal(0, spread, shape), layout)


@given(seeds, layouts, st.integers(1, 5), st.integers(1, 6), smoothings)
def test_cross_entropy_is_the_loops(seed, layout, N, C, smoothing):
    x = logits(seed, layout, (N, C))
    labels = np.random.default_rng(seed).integers(C, size=N)
    y, (gx,), gy = run(lambda x: F.cross_entropy(x, labels, label_smoothing=smoothing), x)
    loss, gradient = oracles.cross_entropy(x, labels, smoothing)
    assert y.shape == ()
    assert abs(y - loss) < 1e-12 * (1 + abs(loss))
    assert np.abs(gx - gy * gradient).max() < 1e-12


@needs_torch
@given(seeds, layouts, st.integers(1, 5), st.integers(1, 6), smoothings)
def test_cross_entropy_is_pytorch(seed, layout, N, C, smoothing):
    x = logits(seed, layout, (N, C))
    labels = np.random.default_rng(seed).integers(C, size=N)
    theirs, target = oracles.torch.nn.functional.cross_entropy, oracles.to_torch(labels)
    y, (gx,), gy = run(lambda x: F.cross_entropy(x, labels, label_smoothing=smoothing), x)
    loss, (gradient,) = torch_run(lambda x: theirs(x, target, label_smoothing=smoothing), gy, x)
    assert abs(y - loss) < 1e-12 * (1 + abs(loss))
    assert np.abs(gx - gradient).max() < 1e-12


@needs_torch
@given(seeds, layouts, st.lists(st.integers(1, 4), min_size=1, max_size=3), st.data())
def test_log_softmax_is_pytorch(seed, layout, shape, data):
    x = logits(seed, layout, shape)
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    theirs = oracles.torch.nn.functional.log_softmax
    y, (gx,), gy = run(lambda x: F.log_softmax(x, dim), x)
    expected, (gradient,) = torch_run(lambda x: theirs(x, dim), gy, x)
    assert np.abs(y - expected).max() < 1e-12
    assert np.abs(gx - gradient).max() < 1e-12


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logits_far_out_neither_overflow_nor_lose_the_gradient(dtype):
    x = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4]], dtype)
    y, (gx,), gy = run(lambda x: F.cross_entropy(x, np.array([1, 0])), x)
    assert_same(y, (2e4 + np.log(3)) / 2, 1e-6)
    assert_same(gx, gy / 2 * np.array([[1, -1, 0], [-2 / 3, 1 / 3, 1 / 3]]), 1e-6)
    assert (F.log_softmax(x).numpy()[0] == [0, -2e4, -1e4]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("smoothing", [0, 0.1, 1])
def test_a_logit_of_minus_infinity_is_a_class_of_probability_0(dtype, smoothing):
    """ln(1 + e) of the two others; with smoothing, 1 / C of ln 0 counts."""
    x = np.array([[0, -np.inf, 1]], dtype)
    y, (gx,), gy = run(lambda x: F.cross_entropy(x, [0], label_smoothing=smoothing), x)
    assert y == pytest.approx(np.log(1 + np.e) if smoothing == 0 else np.inf)
    p, t = np.exp(x) / (1 + np.e), (1 - smoothing) * np.eye(1, 3) + smoothing / 3
    assert_same(gx, gy * (p - t), 1e-6)


def test_a_label_of_probability_0_has_an_infinite_loss():
    for smoothing in (0, 0.1, 1):
        y = F.cross_entropy(np.array([[0, -np.inf, 1]]), [1], label_smoothing=smoothing)
        assert y.item() == np.inf


@pytest.mark.parametrize(
    "labels",
    [
        [1, 0],
        (1, 0),
        np.array([1, 0], np.uint8),
        np.array([1, 0], np.int32),
        Tensor(np.array([1, 0])),
    ],
    ids=["list", "tuple", "uint8", "int32", "Tensor"],
)
def test_labels_of_every_integer_type(labels):
    x = np.array([[1.0, 3.0], [2.0, 5.0]])
    assert_same(F.cross_entropy(x, labels).item(), oracles.cross_entropy(x, [1, 0])[0])


X = np.zeros((3, 4))


@pytest.mark.parametrize(
    ("error", "x", "labels", "said"),
    [
        (LabelError, X, [0, 1, 4], ["from 0 to 4", "expected 0 to 3"]),
        (LabelError, X, [0, -1, 3], ["from -1 to 3", "expected 0 to 3"]),
        (LabelError, X, np.array([255, 0, 1], np.uint8), ["from 0 to 255"]),
        (LabelError, X, [0.0, 1.0, 2.0], ["integer labels", "float64"]),
        (LabelError, X, np.array([True, False, True]), ["integer labels", "bool"]),
        (ShapeError, X, [0, 1], ["(2,)", "(3, 4)", "expected (3,)"]),
        (ShapeError, X, [0, 1, 2, 3], ["(4,)", "(3, 4)", "expected (3,)"]),
        (ShapeError, X, [[0], [1], [2]], ["(3, 1)", "expected (3,)"]),
        (ShapeError, X, np.eye(3, 4, dtype=int), ["(3, 4)", "expected (3,)"]),
        (ShapeError, X, 1, ["()", "expected (3,)"]),
        (ShapeError, X[0], [0], ["(N, C)", "(4,)"]),
        (ShapeError, X[:0], np.array([], int), ["(N, C)", "(0, 4)"]),
    ],
)
def test_cross_entropy_raises(error, x, labels, said):
    with pytest.raises(error) as refusal:
        F.cross_entropy(x, labels)
    assert all(words in str(refusal.value) for words in said)


@pytest.mark.parametrize("smoothing", [-0.1, 1.1, float("nan")])
def test_cross_entropy_raises_for_a_smoothing_out_of_range(smoothing):
    with pytest.raises(UsageError, match=f"between 0 and 1, got {smoothing}"):
        F.cross_entropy(X, [0, 1, 2], label_smoothing=smoothing)


@pytest.mark.parametrize("dim", [2, -3])
def test_log_softmax_raises_for_a_dimension_that_is_not_there(dim):
    with pytest.raises(ShapeError, match=rf"dim={dim} for x of shape \(3, 4\)"):
        F.log_softmax(X, dim)
