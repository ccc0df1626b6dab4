"""Matrix products against loops and PyTorch, and what raises."""

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes
from oracles import LAYOUTS, assert_same, laid_out, needs_torch, run, torch_run

from minires import Tensor
from minires import functional as F
from minires.errors import ShapeError

layouts, seeds, few = st.sampled_from([*LAYOUTS]), st.integers(0, 2**32), st.integers(1, 4)
stacks = mutually_broadcastable_shapes(num_shapes=2, min_side=1, max_side=3, max_dims=2)


@needs_torch
@given(stacks, few, few, few, layouts, layouts, seeds)
def test_matmul_is_pytorch(stack, i, j, k, layout_a, layout_b, seed):
    rng = np.random.default_rng(seed)
    a = laid_out(rng.normal(size=(*stack.input_shapes[0], i, j)), layout_a)
    b = laid_out(rng.normal(size=(*stack.input_shapes[1], j, k)), layout_b)
    y, gradients, gy = run(lambda a, b: a @ b, a, b)
    assert_same((y, gradients), torch_run(lambda a, b: a @ b, gy, a, b), 1e-11)


@given(few, few, few, st.booleans(), layouts, layouts, seeds)
def test_linear_is_the_loops(n, i, o, bias, layout_x, layout_w, seed):
    rng = np.random.default_rng(seed)
    x = laid_out(rng.normal(size=(n, i)), layout_x)
    w = laid_out(rng.normal(size=(o, i)), layout_w)
    b = rng.normal(size=o) if bias else None
    y, (gx, gw, gb), gy = run(F.linear, x, w, b)
    for m, k in np.ndindex(n, o):
        assert (
            abs(y[m, k] - sum(x[m, j] * w[k, j] for j in range(i)) - (b[k] if bias else 0)) < 1e-9
        )
    expected_x, expected_w = np.zeros_like(x), np.zeros_like(w)
    for m, k, j in np.ndindex(n, o, i):
        expected_x[m, j] += gy[m, k] * w[k, j]
        expected_w[k, j] += gy[m, k] * x[m, j]
    assert np.abs(gx - expected_x).max() < 1e-10
    assert np.abs(gw - expected_w).max() < 1e-10
    assert_same(gb, gy.sum(0) if bias else None, 1e-10)


@needs_torch
def test_linear_is_pytorch():
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=(5, 4)), rng.normal(size=(3, 4)), rng.normal(size=3)
    y, gradients, gy = run(F.linear, x, w, b)
    assert_same((y, gradients), torch_run(oracles.torch.nn.functional.linear, gy, x, w, b))


def test_an_array_on_the_left():
    y = np.eye(2, dtype=np.float32) @ Tensor([[1.0, 2.0], [3.0, 4.0]])
    assert isinstance(y, Tensor)
    assert y.numpy().tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("shapes", [((2, 3), (2, 3)), ((1, 3), (2, 2)), ((), (2, 2))])
def test_matmul_raises(shapes):
    with pytest.raises(ShapeError) as refusal:
        Tensor(np.ones(shapes[0])) @ Tensor(np.ones(shapes[1]))
    said = f"matmul got shapes {shapes[0]} and {shapes[1]}; expected (..., I, J) and (..., J, K)"
    assert said in str(refusal.value)


def test_matmul_raises_for_stacks_that_do_not_broadcast():
    with pytest.raises(ShapeError, match=r"\(2, 3, 4\) and \(3, 4, 2\)"):
        Tensor(np.ones((2, 3, 4))) @ Tensor(np.ones((3, 4, 2)))


@pytest.mark.parametrize(
    ("x", "w", "b", "said"),
    [
        ((2, 3), (4, 2), None, ["(2, 3)", "(4, 2)", "(N, I) and (O, I)"]),
        ((), (4, 3), None, ["a single number", "(..., I)"]),
        ((2, 3), (3,), None, ["(3,)", "(O, I)"]),
        ((2, 3), (4, 3), (3,), ["b of shape (3,)", "(4, 3)", "expected (4,)"]),
        ((2, 3), (4, 3), (1, 4), ["b of shape (1, 4)", "expected (4,)"]),
    ],
)
def test_linear_raises(x, w, b, said):
    with pytest.raises(ShapeError) as refusal:
        F.linear(np.ones(x), np.ones(w), None if b is None else np.ones(b))
    assert all(words in str(refusal.value) for words in said)
