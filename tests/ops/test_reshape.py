"""Reshape, permute, pad and index against NumPy and PyTorch, and what they refuse."""

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import basic_indices
from oracles import LAYOUTS, assert_same, cotangent, laid_out, needs_torch, run, torch_run

from minires import Tensor
from minires import functional as F
from minires.errors import ShapeError

layouts, seeds = st.sampled_from([*LAYOUTS]), st.integers(0, 2**32)
X = np.arange(24.0).reshape(2, 3, 4)


@given(layouts, st.sampled_from([(24,), (-1,), (4, 6), (2, -1, 2), (1, 24, 1), (3, 2, 4)]))
def test_reshape(layout, shape):
    x = laid_out(X, layout)
    y, (gx,), gy = run(lambda x: x.reshape(*shape), x)
    np.testing.assert_array_equal(y, X.reshape(shape))
    np.testing.assert_array_equal(gx, gy.reshape(X.shape))


@pytest.mark.parametrize(
    ("start", "shape"), [(0, (24,)), (1, (2, 12)), (2, (2, 3, 4)), (-2, (2, 12))]
)
def test_flatten(start, shape):
    assert Tensor(X).flatten(start).shape == shape


@given(layouts, st.permutations(range(4)), st.sets(st.integers(0, 3)))
def test_permute(layout, dims, negative):
    x = laid_out(np.random.default_rng(0).normal(size=(2, 3, 4, 5)), layout)
    given_dims = [d - 4 if d in negative else d for d in dims]
    y, (gx,), gy = run(lambda x: x.permute(*given_dims), x)
    np.testing.assert_array_equal(y, x.transpose(dims))
    for at in np.ndindex(*gy.shape):
        there = [0] * 4
        for place, d in zip(at, dims, strict=True):
            there[d] = place
        assert gx[tuple(there)] == gy[at]


def test_transpose_and_t():
    assert Tensor(X).transpose(0, 2).shape == (4, 3, 2)
    assert Tensor(X).transpose(-1, 1).shape == (2, 4, 3)
    np.testing.assert_array_equal(Tensor(X).T.numpy(), X.T)


@needs_torch
@given(layouts, st.lists(st.integers(0, 2), min_size=0, max_size=3), st.sampled_from([0.0, -2.5]))
def test_pad_is_pytorch(layout, widths, value):
    x = laid_out(X, layout)
    pad = tuple(w for w in widths for _ in range(2))
    pad = (*pad[:-1], pad[-1] + 1) if pad else pad  # more after than before
    y, gradients, gy = run(lambda x: F.pad(x, pad, value), x)
    theirs = oracles.torch.nn.functional.pad
    assert_same((y, gradients), torch_run(lambda x: theirs(x, pad, value=value), gy, x))


@given(basic_indices((3, 4, 2), allow_newaxis=True), layouts, seeds)
def test_slices_and_integers(key, layout, seed):
    x = laid_out(np.random.default_rng(seed).normal(size=(3, 4, 2)), layout)
    y, (gx,), gy = run(lambda x: x[key], x)
    np.testing.assert_array_equal(y, x[key])
    expected = np.zeros(x.shape)
    expected[key] = gy
    np.testing.assert_array_equal(gx, expected)


@pytest.mark.parametrize(
    "key",
    [
        np.array([0, 0, 2, 0]),
        [0, 0, 2],
        ([0, 0, 1], [1, 1, 3]),
        ((0, 0, 1),),
        (slice(1), (1, 1)),
        (slice(None), np.array([[0, 0], [1, 1]])),
        (np.array([1, 1]), slice(None), [0, 0]),
        np.array(1),
        Tensor(np.array([2, 2])),
        X.sum(-1)[0] > 20,
        [],
    ],
    ids=str,
)
def test_index_arrays_add_up_what_they_take_twice(key):
    x = np.random.default_rng(0).normal(size=(3, 4, 2))
    plain = key.data if isinstance(key, Tensor) else key
    y, (gx,), gy = run(lambda x: x[key], x)
    np.testing.assert_array_equal(y, x[plain])
    places = np.arange(24).reshape(3, 4, 2)[plain]
    expected = np.zeros(24)
    for place, g in zip(places.ravel(), gy.ravel(), strict=True):
        expected[place] += g
    assert_same(gx, expected.reshape(x.shape))


@given(
    st.integers(1, 3), st.integers(1, 3), st.integers(0, 5), st.integers(1, 7), st.integers(1, 7)
)
def test_shortcut_a_takes_every_second_pixel_and_adds_channels_of_zeros(C, stride, more, H, W):
    x = np.random.default_rng(0).normal(size=(2, C, H, W))
    y, (gx,), gy = run(lambda x: F.shortcut_a(x, C + more, stride), x)
    expected, expected_gx = (
        np.zeros((2, C + more, -(-H // stride), -(-W // stride))),
        np.zeros(x.shape),
    )
    for n, c, i, j in np.ndindex(2, C, *expected.shape[2:]):
        expected[n, more // 2 + c, i, j] = x[n, c, i * stride, j * stride]
        expected_gx[n, c, i * stride, j * stride] = gy[n, more // 2 + c, i, j]
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(gx, expected_gx)


def test_a_view_is_not_written_to_by_backward():
    x = Tensor(X.copy(), requires_grad=True)
    y = x.reshape(-1)[2:5]
    y.backward(cotangent(y))
    np.testing.assert_array_equal(x.data, X)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: x.reshape(5, 5), ["(2, 3, 4)", "(5, 5)"]),
        (lambda x: x.reshape(-1, -1), ["(2, 3, 4)", "(-1, -1)"]),
        (lambda x: x.reshape(-1, 7), ["(2, 3, 4)", "(-1, 7)"]),
        (lambda x: x.reshape(-2, -12), ["(2, 3, 4)", "(-2, -12)"]),
        (lambda x: x.reshape(-1, 0), ["(2, 3, 4)", "(-1, 0)"]),
        (lambda x: x.permute(0, 1), ["(0, 1)", "(2, 3, 4)", "0 to 2"]),
        (lambda x: x.permute(0, 1, 1), ["(0, 1, 1)", "(2, 3, 4)"]),
        (lambda x: x.permute(0, 1, 3), ["(0, 1, 3)", "(2, 3, 4)"]),
        (lambda x: x.permute(0, 1, -4), ["(0, 1, -4)", "(2, 3, 4)"]),
        (lambda x: x.transpose(0, 3), ["0", "3", "(2, 3, 4)"]),
        (lambda x: F.pad(x, (1,)), ["(1,)", "(2, 3, 4)", "two widths a dimension"]),
        (lambda x: F.pad(x, (1,) * 8), ["(2, 3, 4)"]),
        (lambda x: F.pad(x, (1, -1)), ["(1, -1)", "(2, 3, 4)", "at least 0"]),
        (lambda x: F.shortcut_a(x, 4, 1), ["(2, 3, 4)", "4 channels"]),
        (lambda x: F.shortcut_a(x.reshape(2, 3, 2, 2), 2, 1), ["(2, 3, 2, 2)", "2 channels"]),
    ],
)
def test_refuses(function, said):
    with pytest.raises(ShapeError) as refusal:
        function(Tensor(X))
    assert all(words in str(refusal.value) for words in said)


@pytest.mark.parametrize("key", [2, (0, 3), (0, 0, 0, 0), np.array([5])])
def test_an_index_out_of_range_is_an_index_error(key):
    with pytest.raises(IndexError):
        Tensor(X)[key]


def test_sizes_may_come_as_one_tuple():
    x = Tensor(np.arange(6.0))
    assert x.reshape((2, 3)).shape == x.reshape(2, 3).shape == x.reshape([2, -1]).shape == (2, 3)
    assert x.reshape(2, 3).permute((1, 0)).numpy().tolist() == [[0, 3], [1, 4], [2, 5]]


def test_a_key_changed_after_forward_moves_no_gradient():
    key = np.array([0, 2])
    x = Tensor(np.arange(3.0), requires_grad=True)
    y = x[key]
    key[:] = 1
    y.backward(np.ones(2))
    assert x.grad.tolist() == [1, 0, 1]


def test_flatten_refuses_a_dimension_that_is_not_there():
    with pytest.raises(ShapeError, match=r"start_dim=5 for shape \(2, 3\)"):
        Tensor(np.ones((2, 3))).flatten(5)
