"""Convolution against naive loops and PyTorch, and what raises."""

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import LAYOUTS, assert_same, laid_out, needs_torch, run, torch_run

from minires import Tensor
from minires import functional as F
from minires.errors import ShapeError, UsageError
from minires.ops.windows import col2im, im2col


@st.composite
def convolutions(draw):
    """x, w, b or None, stride and padding that fit together, x and w in any layout."""
    size, few = st.integers(1, 7), st.integers(1, 3)
    kh, kw = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    ph, pw = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    H, W = max(draw(size), kh - 2 * ph), max(draw(size), kw - 2 * pw)
    N, C, O = draw(few), draw(few), draw(few)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x = laid_out(rng.normal(size=(N, C, H, W)), draw(st.sampled_from([*LAYOUTS])))
    w = laid_out(rng.normal(size=(O, C, kh, kw)), draw(st.sampled_from([*LAYOUTS])))
    b = rng.normal(size=O) if draw(st.booleans()) else None
    return x, w, b, (draw(few), draw(few)), (ph, pw)


@given(convolutions())
def test_is_the_loops(convolution):
    x, w, b, stride, padding = convolution
    y, gradients, gy = run(lambda *xs: F.conv2d(*xs, stride, padding), x, w, b)
    assert_same(y, oracles.conv2d(x, w, b, stride, padding))
    assert_same(gradients, oracles.conv2d_gradients(gy, x, w, b, stride, padding))


@needs_torch
@given(convolutions())
def test_is_pytorch(convolution):
    x, w, b, stride, padding = convolution
    conv = oracles.torch.nn.functional.conv2d
    y, gradients, gy = run(lambda *xs: F.conv2d(*xs, stride, padding), x, w, b)
    expected = torch_run(lambda *xs: conv(*xs, stride, padding), gy, x, w, b)
    assert_same((y, gradients), expected)


@needs_torch
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("channels", "out", "size", "kernel", "stride", "padding"),
    [(3, 16, 32, 3, 1, 1), (16, 32, 32, 3, 2, 1), (16, 32, 32, 1, 2, 0), (3, 8, 56, 7, 2, 3)],
    ids=["stem", "stride 2", "projection", "ImageNet stem"],
)
def test_is_pytorch_on_the_layers_of_the_paper(channels, out, size, kernel, stride, padding, dtype):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, channels, size, size)).astype(dtype)
    w = rng.normal(size=(out, channels, kernel, kernel)).astype(dtype)
    conv = oracles.torch.nn.functional.conv2d
    y, gradients, gy = run(lambda x, w: F.conv2d(x, w, None, stride, padding), x, w)
    expected = torch_run(lambda x, w: conv(x, w, None, stride, padding), gy, x, w)
    assert_same((y, gradients), expected, 1e-12 if dtype == np.float64 else 1e-5)


@given(convolutions())
def test_col2im_is_the_transpose_of_im2col(convolution):
    """<im2col(x), c> = <x, col2im(c)> for any c."""
    x, w, _, stride, padding = convolution
    columns = im2col(x, w.shape[2:], stride, padding)
    c = np.random.default_rng(0).normal(size=columns.shape)
    back = col2im(c, x.shape, stride, padding)
    assert back.shape == x.shape
    assert abs((columns * c).sum() - (x * back).sum()) < 1e-10


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "out"),
    [(32, 3, 2, 1, 16), (32, 3, 2, 0, 15), (33, 3, 2, 1, 17), (32, 1, 2, 0, 16), (8, 3, 3, 0, 2)],
)
def test_the_output_size_is_rounded_down(size, kernel, stride, padding, out):
    x, w = np.ones((1, 1, size, size)), np.ones((1, 1, kernel, kernel))
    assert F.conv2d(x, w, None, stride, padding).shape == (1, 1, out, out)


def test_pixels_left_over_by_the_stride_get_no_gradient():
    x, w = np.ones((1, 1, 6, 6)), np.ones((1, 1, 3, 3))
    _, (gx, _), _ = run(lambda x, w: F.conv2d(x, w, stride=2), x, w)
    assert (gx[..., 5, :] == 0).all()
    assert (gx[..., :, 5] == 0).all()
    assert (gx[..., :5, :5] != 0).all()


def test_it_is_a_cross_correlation():
    """The kernel is not turned round: the tap on the right reads the pixel on the right."""
    x, w = np.arange(9.0).reshape(1, 1, 3, 3), np.zeros((1, 1, 3, 3))
    w[0, 0, 1, 2] = 1
    assert F.conv2d(x, w, padding=1).numpy()[0, 0].tolist() == [[1, 2, 0], [4, 5, 0], [7, 8, 0]]


def test_an_empty_batch_gives_an_empty_output_and_gradients_of_zero():
    x, w, b = np.ones((0, 2, 4, 4)), np.ones((3, 2, 3, 3)), np.ones(3)
    y, (gx, gw, gb), _ = run(lambda *xs: F.conv2d(*xs, padding=1), x, w, b)
    assert y.shape == (0, 3, 4, 4)
    assert gx.shape == x.shape
    assert not gw.any()
    assert not gb.any()


X, W, B = np.ones((2, 3, 5, 6)), np.ones((4, 3, 3, 3)), np.ones(4)


@pytest.mark.parametrize(
    ("error", "x", "w", "b", "stride", "padding", "said"),
    [
        (ShapeError, X[0], W, None, 1, 0, ["(3, 5, 6)", "(N, C, H, W)"]),
        (ShapeError, X, W[0], None, 1, 0, ["(3, 3, 3)", "(O, C, kh, kw)"]),
        (ShapeError, X, W[:, :2], None, 1, 0, ["(2, 3, 5, 6)", "(4, 2, 3, 3)", "same C"]),
        (ShapeError, X, W, B[:3], 1, 0, ["(3,)", "(4,)"]),
        (ShapeError, X, W, np.ones((4, 1)), 1, 0, ["(4, 1)", "(4,)"]),
        (ShapeError, X[:, :, :2], W, None, 1, 0, ["3x3", "2x6"]),
        (ShapeError, X, np.ones((4, 3, 3, 9)), None, 1, 1, ["3x9", "7x8"]),
        (UsageError, X, W, None, 0, 0, ["stride", "at least 1", "0"]),
        (UsageError, X, W, None, 1, -1, ["padding", "at least 0", "-1"]),
        (UsageError, X, W, None, (1, 2, 3), 0, ["stride", "(1, 2, 3)"]),
        (UsageError, X, W, None, 1.5, 0, ["stride", "1.5"]),
        (UsageError, X, W, None, 1, (1, 0.5), ["padding", "(1, 0.5)"]),
        (UsageError, X, W, None, 1, "same", ["padding", "'same'"]),
    ],
)
def test_raises(error, x, w, b, stride, padding, said):
    with pytest.raises(error) as refusal:
        F.conv2d(Tensor(x), Tensor(w), b, stride, padding)
    assert all(words in str(refusal.value) for words in said)
