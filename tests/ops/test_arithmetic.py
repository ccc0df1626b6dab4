"""Element-wise operations against PyTorch, broadcasting, and what raises."""

import operator

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes
from oracles import LAYOUTS, assert_same, laid_out, needs_torch, run, torch_run

from minires import Tensor
from minires.errors import ShapeError
from minires.ops.arithmetic import unbroadcast

BINARY = [operator.add, operator.sub, operator.mul, operator.truediv]
pairs = mutually_broadcastable_shapes(num_shapes=2, min_side=1, max_side=4, max_dims=4)
layouts, seeds = st.sampled_from([*LAYOUTS]), st.integers(0, 2**32)


def positive(shape, seed, layout="C"):
    return laid_out(np.asarray(np.random.default_rng(seed).uniform(0.5, 2, shape)), layout)


@needs_torch
@pytest.mark.parametrize("function", BINARY)
@given(pairs, layouts, layouts, seeds)
def test_two_inputs_are_pytorch(function, shapes, layout_a, layout_b, seed):
    a = positive(shapes.input_shapes[0], seed, layout_a)
    b = positive(shapes.input_shapes[1], seed + 1, layout_b)
    y, gradients, gy = run(function, a, b)
    assert_same((y, gradients), torch_run(function, gy, a, b))


def test_two_inputs_by_hand():
    """Without PyTorch: a row and a column, and the sums over what was repeated."""
    a, b = np.array([1.0, 2.0]), np.array([[3.0], [4.0], [5.0]])
    _, (ga, gb), gy = run(operator.mul, a, b)
    assert_same(ga, [sum(gy[i, j] * b[i, 0] for i in range(3)) for j in range(2)])
    assert_same(gb, [[sum(gy[i, j] * a[j] for j in range(2))] for i in range(3)])
    _, (ga, gb), gy = run(operator.truediv, a, b)
    assert_same(ga, [sum(gy[i, j] / b[i, 0] for i in range(3)) for j in range(2)])
    assert_same(gb, [[sum(-gy[i, j] * a[j] for j in range(2)) / b[i, 0] ** 2] for i in range(3)])
    _, (ga, gb), gy = run(operator.sub, a, b)
    assert_same(ga, gy.sum(0))
    assert_same(gb, -gy.sum(1, keepdims=True))


@pytest.mark.parametrize(
    ("function", "derivative"),
    [
        (operator.neg, lambda x: -np.ones_like(x)),
        (lambda x: x.exp(), np.exp),
        (lambda x: x.log(), lambda x: 1 / x),
        (lambda x: x**2, lambda x: 2 * x),
        (lambda x: x**-1.5, lambda x: -1.5 * x**-2.5),
        (lambda x: x**0.5, lambda x: 0.5 / np.sqrt(x)),
        (lambda x: 3 - x, lambda x: -np.ones_like(x)),
        (lambda x: 3 / x, lambda x: -3 / x**2),
        (lambda x: x * 3 + 1, lambda x: 3 * np.ones_like(x)),
    ],
    ids=["neg", "exp", "log", "square", "power", "root", "from a number", "number by", "affine"],
)
@given(seeds, layouts)
def test_one_input_is_its_derivative(function, derivative, seed, layout):
    x = positive((2, 3), seed, layout)
    _, (gx,), gy = run(function, x)
    assert_same(gx, gy * derivative(x))


def test_values():
    a, b = Tensor([1.0, 2.0]), Tensor([4.0, 5.0])
    assert (a + b).numpy().tolist() == [5, 7]
    assert (a - b).numpy().tolist() == [-3, -3]
    assert (a * b).numpy().tolist() == [4, 10]
    assert (b / a).numpy().tolist() == [4, 2.5]
    assert (-a).numpy().tolist() == [-1, -2]
    assert (a**3).numpy().tolist() == [1, 8]
    assert_same(a.exp().numpy(), np.exp([1, 2]), 1e-6)
    assert_same(a.log().numpy(), np.log([1, 2]), 1e-6)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3])
def test_powers_at_zero(exponent):
    x = Tensor(np.zeros(2), requires_grad=True)
    y = x**exponent
    y.sum().backward()
    assert y.numpy().tolist() == [float(exponent == 0)] * 2
    assert x.grad.tolist() == [float(exponent == 1)] * 2


@pytest.mark.parametrize("function", BINARY)
@pytest.mark.parametrize("shapes", [((2, 3), (2,)), ((2, 3), (3, 2)), ((4, 1, 3), (2, 2))])
def test_raises_for_shapes_that_do_not_broadcast(function, shapes):
    a, b = (Tensor(np.ones(s)) for s in shapes)
    with pytest.raises(ShapeError) as refusal:
        function(a, b)
    assert f"got shapes {shapes[0]} and {shapes[1]}, which do not broadcast" in str(refusal.value)


@given(pairs, seeds)
def test_unbroadcast_is_the_transpose_of_broadcasting(shapes, seed):
    shape = shapes.input_shapes[0]
    a, g = positive(shape, seed), positive(shapes.result_shape, seed + 1)
    back = unbroadcast(g, shape)
    assert back.shape == shape
    assert abs((np.broadcast_to(a, g.shape) * g).sum() - (a * back).sum()) < 1e-9


def test_empty_arrays():
    for function in BINARY:
        y, (ga, gb), _ = run(function, np.ones((0, 3)), np.ones((1, 3)))
        assert y.shape == ga.shape == (0, 3)
        assert gb.tolist() == [[0, 0, 0]]
    assert oracles.difference(np.ones((0, 3)), np.ones((0, 3))) == 0
