"""Hooks on a tensor and on a module: what they are given, when, and what they may change."""

import numpy as np
import pytest
from oracles import assert_same

import minires
from minires import Tensor, nn
from minires.errors import DTypeError, GraphError, ShapeError, UsageError

X = np.array([[1.0, -2.0], [3.0, 4.0]])


def leaf():
    return Tensor(X.copy(), requires_grad=True)


def test_a_hook_of_a_leaf_is_given_its_whole_gradient_once():
    x, seen = leaf(), []
    x.register_hook(seen.append)
    (x * x + x).sum().backward()
    (gradient,) = seen
    np.testing.assert_array_equal(gradient, 2 * X + 1)
    np.testing.assert_array_equal(x.grad, gradient)
    x.backward(np.ones((2, 2)))
    assert len(seen) == 2


def test_a_hook_outlives_its_tensor_and_is_called_before_the_gradient_goes_on():
    def inside(x):
        h = x * 3  # nothing but the graph knows of it afterwards
        h.register_hook(lambda gradient: gradient * 10)
        return h * h

    x = leaf()
    inside(x).sum().backward()
    np.testing.assert_array_equal(x.grad, 10 * 18 * X)


def test_a_hook_that_was_removed_is_called_no_more_though_another_is_the_same():
    x, seen = leaf(), []
    first, _ = (x.register_hook(seen.append) for _ in range(2))
    first.remove()
    first.remove()
    x.sum().backward()
    assert len(seen) == 1


def test_a_hook_on_what_gets_no_gradient_raises():
    with pytest.raises(GraphError, match="requires no gradient"):
        Tensor(X).register_hook(print)
    with pytest.raises(UsageError, match="hook must be a function"):
        leaf().register_hook("print")


@pytest.mark.parametrize(
    ("returned", "error"),
    [
        (lambda g: g[0], ShapeError),
        (lambda g: g.astype(np.float32), DTypeError),
        (lambda g: 2.0, DTypeError),
    ],
)
@pytest.mark.parametrize("interior", [False, True])
def test_what_a_hook_returns_is_a_gradient_like_the_one_it_was_given(returned, error, interior):
    x = leaf()
    y = x * 2
    (y if interior else x).register_hook(returned)
    with pytest.raises(error, match="a hook returned"):
        y.sum().backward()
    assert x.grad is None


def test_a_hook_may_return_a_tensor():
    x = leaf()
    x.register_hook(lambda gradient: Tensor(gradient * 2))
    x.sum().backward()
    np.testing.assert_array_equal(x.grad, np.full((2, 2), 2.0))


def test_hooks_inside_a_checkpointed_segment_are_called_once():
    w, seen = leaf(), []
    w.register_hook(seen.append)
    module = nn.Linear(2, 2).to("float64")
    module.register_full_backward_hook(lambda *given: seen.append(given[1][0]))
    minires.checkpoint(lambda x: module(x * w), leaf()).sum().backward()
    assert len(seen) == 2
    np.testing.assert_allclose(seen[1], w.grad)


def test_a_forward_hook_sees_and_replaces_the_output():
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU()).to("float64")
    seen = []
    handle = net[0].register_forward_hook(lambda *given: seen.append(given))
    net[1].register_forward_hook(lambda module, inputs, output: output + 1)
    y = net(X)
    ((module, (x,), output),) = seen
    assert module is net[0]
    np.testing.assert_array_equal(x.numpy(), X)
    np.testing.assert_array_equal(y.numpy(), np.maximum(output.numpy(), 0) + 1)
    handle.remove()
    net(X)
    assert len(seen) == 1
    net[1].register_forward_hook(lambda *given: 3)
    with pytest.raises(UsageError, match="a forward hook returned 3; expected a Tensor"):
        net(X)


def test_a_backward_hook_is_given_the_gradient_of_this_use_of_its_input_alone():
    module, seen = nn.Linear(2, 2).to("float64"), []
    module.register_full_backward_hook(lambda m, gx, gy: seen.append((gx[0], gy[0])))
    x = leaf()
    (module(x) + x * 100).sum().backward()
    ((gx, gy),) = seen
    np.testing.assert_array_equal(gy, np.ones((2, 2)))
    np.testing.assert_allclose(gx, gy @ module.weight.data)
    np.testing.assert_allclose(x.grad, gx + 100)


def test_hooks_change_nothing_that_is_computed():
    def gradients(hooks):
        minires.manual_seed(0)
        net = minires.models.cifar_resnet(8).to("float64")
        if hooks:
            for module in net.modules():
                module.register_forward_hook(lambda *given: None)
                module.register_full_backward_hook(lambda *given: None)
        x = np.random.default_rng(0).standard_normal((4, 3, 8, 8))
        loss = minires.functional.cross_entropy(net(x), np.arange(4))
        loss.backward()
        return [loss.data, *(p.grad for p in net.parameters())]

    for plain, hooked in zip(gradients(False), gradients(True), strict=True):
        assert_same(hooked, plain, tolerance=1e-12)  # other kernels, where one is hooked out of two


def test_without_recording_backward_hooks_are_not_missed():
    module = nn.Linear(2, 2)
    module.register_full_backward_hook(lambda *given: None)
    with minires.no_grad():
        assert not module(np.ones((1, 2), np.float32)).requires_grad
