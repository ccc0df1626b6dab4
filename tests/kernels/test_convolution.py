"""The fast convolution in every geometry, and the walks and products it is made of."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from machines import machine, machines
from oracles import LAYOUTS, assert_same, laid_out, run

from minires import Tensor, textbook
from minires import functional as F
from minires.kernels import REFERENCE
from minires.kernels.cpu.gemm import product, product_transposed
from minires.kernels.geometry import Axis

TOLERANCES = {np.float32: 1e-5, np.float64: 1e-12}


def both_ways(*sizes):
    return st.tuples(st.integers(*sizes), st.integers(*sizes))


@st.composite
def geometries(draw):
    """Shapes of x and w, stride and padding: also padding that whole windows lie in."""
    kernel, padding = draw(both_ways(1, 7)), draw(both_ways(0, 3))
    size = [draw(st.integers(max(1, k - 2 * p), 12)) for k, p in zip(kernel, padding, strict=True)]
    C, O = draw(st.sampled_from([1, 2, 3, 7, 24, 64])), draw(st.sampled_from([1, 2, 5, 16, 33]))
    N = draw(st.sampled_from([1, 2, 3, 5, 17]))
    return (N, C, *size), (O, C, *kernel), draw(both_ways(1, 3)), padding


def numbers(seed, shape, dtype):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def expect_the_textbooks(x, w, b, stride, padding, layouts):
    """The fast convolution of any dtype is the textbook's in float64."""
    arrays = [
        None if a is None else laid_out(a, l) for a, l in zip((x, w, b), layouts, strict=True)
    ]
    y, gradients, gy = run(lambda *xs: F.conv2d(*xs, stride, padding), *arrays)
    exact = [None if a is None else a.astype(np.float64) for a in arrays]
    with textbook():
        expected, expected_gradients, _ = run(lambda *xs: F.conv2d(*xs, stride, padding), *exact)
    assert y.dtype == x.dtype
    tolerance = TOLERANCES[x.dtype.type]
    assert_same((y, gradients[:2]), (expected, expected_gradients[:2]), tolerance)
    if b is not None:  # a sum, whose rounding grows with what is added up, not with the sum
        error = np.abs(gradients[2] - expected_gradients[2])
        assert (error <= tolerance * np.abs(gy).sum(axis=(0, 2, 3))).all()


layouts = st.sampled_from([*LAYOUTS])


@pytest.mark.parametrize("dtype", TOLERANCES)
@settings(max_examples=200)
@given(
    geometries(), st.booleans(), st.tuples(layouts, layouts, layouts), machines, st.integers(0, 9)
)
@example(((1, 1, 1, 1), (1, 1, 1, 1), (3, 3), (3, 3)), True, ("C", "C", "C"), (2, True), 0)
@example(((2, 3, 1, 1), (2, 3, 7, 7), (1, 1), (3, 3)), True, ("C", "C", "C"), (2, True), 0)
@example(((2, 3, 9, 2), (2, 3, 1, 2), (3, 1), (3, 3)), True, ("C", "C", "C"), (2, True), 0)
def test_every_geometry_on_every_machine(dtype, geometry, bias, layouts, anywhere, seed):
    shape, weights, stride, padding = geometry
    x, w = numbers(seed, shape, dtype), numbers(seed + 10, weights, dtype)
    b = numbers(seed + 20, weights[:1], dtype) if bias else None
    with machine(*anywhere):
        expect_the_textbooks(x, w, b, stride, padding, layouts)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize(
    ("shape", "weights", "stride", "padding"),
    [
        ((19, 16, 32, 32), (16, 16, 3, 3), 1, 1),
        ((7, 64, 8, 8), (64, 64, 3, 3), 1, 1),
        ((5, 16, 33, 32), (32, 16, 3, 3), 2, 1),
        ((2, 3, 64, 50), (9, 3, 7, 7), 2, 3),
        ((67, 16, 16, 15), (32, 16, 1, 1), 2, 0),
    ],
    ids=["stage 1", "stage 3", "stride 2", "ImageNet stem", "projection"],
)
def test_layers_of_nets_in_the_sizes_that_users_have(
    shape, weights, stride, padding, dtype, threads
):
    x, w, b = (numbers(i, s, dtype) for i, s in enumerate((shape, weights, weights[:1])))
    with machine(threads, tiny=False):
        expect_the_textbooks(x, w, b, stride, padding, "CCC")


@given(geometries(), machines, layouts)
def test_a_gradient_wanted_of_one_input_only_is_the_same_in_every_bit(geometry, anywhere, layout):
    shape, weights, stride, padding = geometry
    arrays = [numbers(i, s, np.float32) for i, s in enumerate((shape, weights, weights[:1]))]
    with machine(*anywhere):
        _, together, gy = run(lambda *xs: F.conv2d(*xs, stride, padding), *arrays)
        for wanted in range(3):
            xs = [Tensor(a, requires_grad=i == wanted) for i, a in enumerate(arrays)]
            F.conv2d(*xs, stride, padding).backward(laid_out(gy, layout))
            np.testing.assert_array_equal(xs[wanted].grad, together[wanted])


def test_the_reference_and_its_kernel_are_what_is_compared():
    x, w = np.ones((1, 1, 3, 3)), Tensor(np.ones((1, 1, 3, 3)), requires_grad=True)
    assert F.conv2d(x, w).op.kernel is not REFERENCE
    with textbook():
        assert F.conv2d(x, w).op.kernel is REFERENCE


def test_an_empty_batch_is_the_references():
    x, w = numbers(0, (0, 3, 4, 4), np.float32), numbers(1, (2, 3, 3, 3), np.float32)
    y, gradients, _ = run(F.conv2d, x, w)
    with textbook():
        expected, expected_gradients, _ = run(F.conv2d, x, w)
    assert_same((y, gradients), (expected, expected_gradients), 0)


def test_pixels_that_are_not_numbers_stay_in_the_windows_they_are_in():
    x, w = np.ones((2, 3, 6, 6), np.float32), np.ones((4, 3, 3, 3), np.float32)
    x[1, 2, 0, 5] = np.nan
    x[0, 0, 5, 0] = np.inf
    y = F.conv2d(x, w, padding=1).data
    assert np.isnan(y[1, :, :2, 4:]).all()
    assert np.isinf(y[0, :, 4:, :2]).all()
    assert np.isfinite(y).sum() == y.size - 2 * 4 * 4


# --- axes ---------------------------------------------------------------------------------


@st.composite
def axes(draw):
    """Windows along one dimension, with padding of which a part may not be reached."""
    k, stride, padding = draw(st.integers(1, 7)), draw(st.integers(1, 4)), draw(st.integers(0, 5))
    size = draw(st.integers(max(1, k - 2 * padding), 12))
    return Axis(k, stride, -padding, size, (size + 2 * padding - k) // stride + 1)


def pairs(axis):
    """(window, place, pixel) of every place of a window that lies on a pixel."""
    places = (
        (j, v, axis.first + axis.stride * j + v) for j in range(axis.out) for v in range(axis.taps)
    )
    return {(j, v, pixel) for j, v, pixel in places if 0 <= pixel < axis.size}


@settings(max_examples=300)
@given(axes())
def test_an_axis_knows_which_taps_lie_on_pixels(axis):
    met = pairs(axis)
    for v in range(axis.taps):
        assert [*range(*axis.valid_range(v))] == sorted(j for j, place, _ in met if place == v)
    for j in range(axis.out):
        assert [*range(*axis.valid_taps(j))] == sorted(v for window, v, _ in met if window == j)


@settings(max_examples=300)
@given(axes())
def test_a_transposed_axis_goes_from_pixels_to_windows(axis):
    """Pixel i of the place p, and place t of the turned kernel, meet what the axis itself met."""
    found = set()
    for p in range(axis.stride):
        places, back = axis.transposed(p)
        places = range(axis.taps)[places]
        assert back.size == axis.out
        assert len(places) == back.taps
        found |= {(j, places[t], p + axis.stride * i) for i, t, j in pairs(back)}
    assert found == pairs(axis)


# --- products -----------------------------------------------------------------------------


@st.composite
def stacks(draw):
    """R, O and K of products, and where the columns are cut out of wider matrices."""
    R, O, K = draw(st.integers(1, 3)), draw(st.integers(1, 40)), draw(st.integers(1, 40))
    L, before, after = draw(st.integers(1, 200)), draw(st.integers(0, 2)), draw(st.integers(0, 2))
    return R, O, K, slice(before, before + L), before + L + after


@given(stacks(), machines, st.sampled_from([*TOLERANCES]))
def test_products_of_stacks_of_matrices(stack, anywhere, dtype):
    R, O, K, columns, wide = stack
    w, x, g = (numbers(i, s, dtype) for i, s in enumerate([(O, K), (R, K, wide), (R, O, wide)]))
    y = np.full((R, O, wide), np.nan, dtype)
    with machine(*anywhere):
        product(w, x[:, :, columns], y[:, :, columns])
        gw = np.empty((O, K), dtype)
        product_transposed(g[:, :, columns], x[:, :, columns], gw)
    outside = np.delete(y, columns, axis=2)
    assert np.isnan(outside).all(), "written beside the columns"
    exact = [a.astype(np.float64) for a in (w, x[:, :, columns], g[:, :, columns])]
    assert_same(y[:, :, columns], exact[0] @ exact[1], TOLERANCES[dtype])
    assert_same(gw, (exact[2] @ exact[1].swapaxes(1, 2)).sum(0), TOLERANCES[dtype])
