"""Reshape, permute, pad and index against NumPy and PyTorch, and what raises."""

import array
import collections
import copy

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import basic_indices
from oracles import LAYOUTS, assert_same, cotangent, laid_out, needs_torch, run, torch_run
from standin import standin

from minires import Tensor
from minires import functional as F
from minires.errors import DTypeError, ShapeError
from minires.ops.reshape import Pad, Permute

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
    y, gradients, gy = run(lambda x: F.pad(x, pad, value=value), x)
    theirs = oracles.torch.nn.functional.pad
    assert_same((y, gradients), torch_run(lambda x: theirs(x, pad, value=value), gy, x))


@needs_torch
@given(layouts, st.integers(-3, 2), st.lists(st.integers(0, 3), min_size=1, max_size=3))
def test_cat_is_pytorch(layout, dim, sizes):
    shapes = [[n if d == dim % 3 else size for d, size in enumerate(X.shape)] for n in sizes]
    parts = [
        laid_out(np.random.default_rng(i).normal(size=s), layout) for i, s in enumerate(shapes)
    ]
    y, gradients, gy = run(lambda *xs: F.cat(xs, dim), *parts)
    theirs = torch_run(lambda *xs: oracles.torch.cat(xs, dim), gy, *parts)
    assert_same((y, gradients), theirs, tolerance=0)


def test_cat_names_what_does_not_fit():
    with pytest.raises(ShapeError, match=r"cat got the shapes \(2, 3\), \(3, 2\); expected equal"):
        F.cat([np.ones((2, 3)), np.ones((3, 2))])
    with pytest.raises(ShapeError, match=r"cat got dim=2 for shape \(2, 3\)"):
        F.cat([np.ones((2, 3))], dim=2)
    with pytest.raises(ShapeError, match="cat got no tensors"):
        F.cat([])
    with pytest.raises(DTypeError, match="Concatenate got x0 float32 and x1 float64"):
        F.cat([Tensor(np.ones(1, np.float32)), Tensor(np.ones(1))])


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
def test_raises(function, said):
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


def test_flatten_raises_for_a_dimension_that_is_not_there():
    with pytest.raises(ShapeError, match=r"start_dim=5 for shape \(2, 3\)"):
        Tensor(np.ones((2, 3))).flatten(5)


# --- keys -----------------------------------------------------------------------------------


class Columns:
    def __array__(self, dtype=None, copy=None):
        return np.array([0, 0, 1])


REPEATS = {
    "list": [0, 0, 1],
    "tuple in a tuple": ((0, 0, 1),),
    "array": np.array([0, 0, 1]),
    "small unsigned array": np.array([0, 0, 1], np.uint8),
    "tensor": Tensor(np.array([0, 0, 1])),
    "array.array": array.array("l", [0, 0, 1]),
    "bytearray as numbers": memoryview(array.array("b", [0, 0, 1])),
    "deque": collections.deque([0, 0, 1]),
    "list of scalars": [np.int64(0), np.int8(0), np.uint8(1)],
    "np.matrix": np.array([[0, 0, 1]]).view(np.matrix),
    "what NumPy can read": Columns(),
}


@pytest.mark.parametrize("key", REPEATS.values(), ids=REPEATS)
@pytest.mark.parametrize("last", [False, True])
def test_an_element_that_a_key_takes_twice_gets_both_gradients(key, last):
    x = Tensor(np.arange(3.0), requires_grad=True)
    part = key[0] if isinstance(key, tuple) else key
    y = x.reshape(1, 3)[:, part] if last else x[key]
    y.sum().backward()
    assert x.grad.tolist() == [2, 1, 0]


@needs_torch
@pytest.mark.parametrize("within", [False, True])
def test_a_tensor_of_pytorchs_is_a_key(within):
    key = oracles.torch.tensor([0, 0, 1])
    x = Tensor(np.arange(3.0), requires_grad=True)
    x[(key,) if within else key].sum().backward()
    assert x.grad.tolist() == [2, 1, 0]
    assert x[oracles.torch.tensor([True, False, True])].numpy().tolist() == [0, 2]


MUTABLE = {
    "list": [0, 2],
    "nested list": [[0], [2]],
    "array": np.array([0, 2]),
    "mask": np.array([True, False, True]),
    "list of booleans": [True, False, True],
    "array.array": array.array("l", [0, 2]),
    "deque": collections.deque([0, 2]),
    "view of an array": np.array([2, 9, 0])[::-2],
    "0-d array": np.array(2),
}


@pytest.mark.parametrize("name", MUTABLE)
@pytest.mark.parametrize("within", [False, True])
def test_a_key_changed_after_forward_changes_nothing(name, within):
    key = copy.deepcopy(MUTABLE[name])
    x = Tensor(np.arange(3.0), requires_grad=True)
    y = x[(key,) if within else key]
    if isinstance(key, np.ndarray):
        key[...] = 1
    elif name == "nested list":
        key[0][0] = 1
    else:
        key[0] = key[1]
    y.sum().backward()
    assert x.grad.tolist() == ([0, 0, 1] if name == "0-d array" else [1, 0, 1])


def test_the_bounds_of_a_slice_are_those_of_forward():
    stop = np.array(2)
    x = Tensor(np.arange(3.0), requires_grad=True)
    y = x[:stop]
    stop[...] = 3
    y.sum().backward()
    assert x.grad.tolist() == [1, 1, 0]


@pytest.mark.parametrize("key", [[], (), [[]], True, np.True_, np.int8(1), None, ..., range(2)])
def test_keys_mean_what_they_mean_to_numpy(key):
    x = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    y = x[key]
    np.testing.assert_array_equal(y.data, x.data[key])
    y.sum().backward()
    right = np.zeros((2, 3))
    right[key] = 1
    np.testing.assert_array_equal(x.grad, right)


@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("a", "str"),
        (b"a", "bytes"),
        (1.0, "float"),
        ([1.0], "list"),
        ([[0], [0, 1]], "list"),
        ([slice(1)], "list"),
        ([None], "list"),
        ({0, 1}, "set"),
        ({0: 1}, "dict"),
        (iter([1]), "list_iterator"),
        (np.array([0.0]), "ndarray of float64"),
        (np.float32(1), "float32"),
        (np.array(["a"]), "ndarray of <U1"),
        ((0, "a"), "str"),
        (slice(0.5), "float"),
        (slice("a", None), "str"),
        (Tensor(np.ones(1)), "ndarray of float64"),
        (object(), "object"),
    ],
)
def test_what_is_no_key_raises(key, given):
    with pytest.raises(DTypeError, match=f"a key got {given}.*expected integers, slices"):
        Tensor(np.arange(3.0))[key]


def test_a_masked_key_raises():
    with pytest.raises(DTypeError, match="masked"):
        Tensor(np.arange(3.0))[np.ma.masked_array([0, 1], [False, True])]


def test_a_list_is_a_key_wherever_the_tensor_is():
    with standin() as cupy:
        x = Tensor(cupy.ones(3), requires_grad=True)
        x[[0, 0, 1]].sum().backward()
        assert x.grad.tolist() == [2, 1, 0]


def test_settings_changed_after_forward_move_no_gradient():
    x = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    dims, widths = [1, 0], [[1, 0], [0, 2]]
    y, z = Permute(dims)(x), Pad(widths)(x)
    dims.reverse()
    widths[0].reverse()
    (y.sum() + (z * z).sum()).backward()
    np.testing.assert_array_equal(x.grad, 1 + 2 * x.data)
