"""Pooling against naive loops and PyTorch, and what raises."""

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import LAYOUTS, assert_same, laid_out, needs_torch, run, torch_run

from minires import Tensor
from minires import functional as F
from minires.errors import DTypeError, ShapeError, UsageError


@st.composite
def pools(draw):
    """x with equal values in it, in any layout; kernel, stride and padding that fit."""
    kh, kw = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    ph, pw = draw(st.integers(0, kh // 2)), draw(st.integers(0, kw // 2))
    size, few = st.integers(1, 7), st.integers(1, 3)
    H, W = max(draw(size), kh - 2 * ph), max(draw(size), kw - 2 * pw)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x = rng.integers(-9, 9, (draw(few), draw(few), H, W)).astype(float)
    x = laid_out(x, draw(st.sampled_from([*LAYOUTS])))
    return x, (kh, kw), (draw(few), draw(few)), (ph, pw)


@given(pools())
def test_max_is_the_loops(pool):
    y, (gx,), gy = run(lambda x: F.max_pool2d(x, *pool[1:]), pool[0])
    assert_same(y, oracles.max_pool2d(*pool), 0)
    assert_same(gx, oracles.max_pool2d(*pool, gy))


@given(pools())
def test_average_is_the_loops(pool):
    y, (gx,), gy = run(lambda x: F.avg_pool2d(x, *pool[1:]), pool[0])
    assert_same(y, oracles.avg_pool2d(*pool))
    assert_same(gx, oracles.avg_pool2d(*pool, gy))


@needs_torch
@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
@given(pools())
def test_is_pytorch(name, pool):
    x, *settings = pool
    y, gradients, gy = run(lambda x: getattr(F, name)(x, *settings), x)
    theirs = getattr(oracles.torch.nn.functional, name)
    assert_same((y, gradients), torch_run(lambda x: theirs(x, *settings), gy, x))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_global_average_is_the_mean_of_each_map(layout):
    x = laid_out(np.random.default_rng(0).normal(size=(2, 3, 4, 5)), layout)
    y, (gx,), gy = run(F.global_avg_pool2d, x)
    assert_same(y, [[m.sum() / 20 for m in maps] for maps in x])
    assert_same(gx, np.repeat(gy / 20, 20).reshape(x.shape))


@pytest.mark.parametrize("settings", [(3, 2, 1), (2, 2, 1), (3, 1, 1), (2, 1, (1, 0))])
def test_the_padding_never_wins(settings):
    """With zeros as padding, as one engine has it, an image of -1 would give 0."""
    y = F.max_pool2d(np.full((1, 2, 6, 6), -1.0), *settings)
    assert (y.numpy() == -1).all()


def test_the_stride_is_the_kernel_unless_given():
    x = np.random.default_rng(0).normal(size=(1, 1, 6, 9))
    for pool in (F.max_pool2d, F.avg_pool2d):
        assert pool(x, (2, 3)).shape == (1, 1, 3, 3)
        assert pool(x, (2, 3), 1).shape == (1, 1, 5, 7)
        np.testing.assert_array_equal(pool(x, (2, 3)).data, pool(x, (2, 3), (2, 3)).data)


def test_equal_maxima_hand_the_gradient_to_the_first():
    x = Tensor(np.ones((1, 1, 2, 2)), requires_grad=True)
    F.max_pool2d(x, 2).sum().backward()
    assert x.grad.tolist() == [[[[1, 0], [0, 0]]]]


def test_a_window_of_more_than_256_places():
    """The winning place no longer fits into one byte."""
    x = np.random.default_rng(0).normal(size=(1, 2, 20, 20))
    x[0, :, 19, 5] = 9
    _, (gx,), gy = run(lambda x: F.max_pool2d(x, 20), x)
    assert (gx[0, :, 19, 5] == gy[0, :, 0, 0]).all()
    assert np.count_nonzero(gx) == 2


def test_a_window_of_more_than_65536_places():
    """Nor into two: tap 65,540 - 65,536 is not tap 4."""
    x = np.zeros((1, 1, 257, 256))
    x[0, 0, 256, 4] = 1
    y, (gx,), gy = run(lambda x: F.max_pool2d(x, (257, 256)), x)
    assert y.item() == 1
    assert gx[0, 0, 256, 4] == gy.item()
    assert np.count_nonzero(gx) == 1


@pytest.mark.parametrize("settings", [(3, 2, 1), (2, 2, 1), (3, 1, 1), ((2, 3), (1, 2), (1, 0))])
def test_the_padding_takes_no_gradient_from_windows_of_minus_infinity(settings):
    """It goes to the first pixel, as where all pixels are equal numbers, and as in PyTorch."""
    x = np.full((2, 1, 5, 6), -np.inf)
    x[1, 0, 2, 3] = 0
    _, (gx,), gy = run(lambda x: F.max_pool2d(x, *settings), x)
    _, (expected,), _ = run(lambda x: F.max_pool2d(x, *settings), np.maximum(x, -1))
    assert_same(gx, expected, 0)
    assert gx.sum() == pytest.approx(gy.sum())
    if oracles.torch:
        pool = oracles.torch.nn.functional.max_pool2d
        assert_same([gx], torch_run(lambda x: pool(x, *settings), gy, x)[1])


@pytest.mark.parametrize("pool", [F.max_pool2d, F.avg_pool2d])
def test_an_empty_batch_gives_an_empty_output(pool):
    y, (gx,), _ = run(lambda x: pool(x, 2), np.ones((0, 3, 4, 4)))
    assert y.shape == (0, 3, 2, 2)
    assert gx.shape == (0, 3, 4, 4)


X = np.ones((2, 3, 4, 5))


@pytest.mark.parametrize("pool", [F.max_pool2d, F.avg_pool2d])
@pytest.mark.parametrize(
    ("error", "x", "settings", "said"),
    [
        (ShapeError, X, (2, 2, 2), ["padding (2, 2)", "half the kernel", "(2, 2)"]),
        (ShapeError, X, ((4, 3), 2, (1, 2)), ["padding (1, 2)", "(4, 3)"]),
        (ShapeError, X, (5, 1), ["5x5", "4x5"]),
        (ShapeError, X, (7, 1, 1), ["7x7", "6x7"]),
        (ShapeError, X[0], (2,), ["(N, C, H, W)", "(3, 4, 5)"]),
        (UsageError, X, (0,), ["kernel_size", "at least 1", "0"]),
        (UsageError, X, (2, 0), ["stride", "at least 1", "0"]),
        (UsageError, X, (2, 2, -1), ["padding", "at least 0", "-1"]),
        (UsageError, X, (2.5,), ["kernel_size", "2.5"]),
    ],
)
def test_raises(pool, error, x, settings, said):
    with pytest.raises(error) as refusal:
        pool(x, *settings)
    assert all(words in str(refusal.value) for words in said)


def test_global_average_raises_for_what_is_not_images():
    with pytest.raises(ShapeError, match=r"\(N, C, H, W\), got shape \(2, 3\)"):
        F.global_avg_pool2d(np.ones((2, 3)))


def test_integers_have_no_minus_infinity():
    with pytest.raises(DTypeError, match="expected floats, got int64"):
        F.max_pool2d(Tensor(np.ones((1, 1, 4, 4), np.int64)), 3, padding=1)
