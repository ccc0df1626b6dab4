"""Hooks: called for the operations that were chosen, forward and backward."""

import numpy as np

from minires import Tensor, models, textbook
from minires import functional as F
from minires.inspect import backward_hook, forward_hook


def loss_of(net):
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 8), dtype=np.float32)
    return F.cross_entropy(net(x), np.array([0, 1]))


def test_a_forward_hook_sees_arrays_of_the_operations_chosen():
    seen = []
    with forward_hook(lambda *what: seen.append(what), path="layer2", ops="Conv2d"):
        net = models.cifar_resnet(8)
        loss_of(net)
    loss_of(net)
    assert [op.path for op, _, _ in seen] == ["layer2.0.conv1", "layer2.0.conv2"]
    _, (x, w, b), y = seen[0]
    assert (x.shape, w.shape, b, y.shape) == ((2, 16, 8, 8), (32, 16, 3, 3), None, (2, 32, 4, 4))
    with textbook():
        right = F.conv2d(x, w, stride=2, padding=1).data
        np.testing.assert_allclose(y, right, rtol=1e-3, atol=1e-5)


def test_a_backward_hook_sees_steps_and_may_change_them():
    def gradient(factor):
        net = models.cifar_resnet(8)
        for _, p in net.named_parameters():
            p.data[...] = 0.1
        with backward_hook(lambda step: step.scale(factor), path="layer3.0", ops="Add"):
            loss_of(net).backward()
        return net.conv1.weight.grad, net.fc.weight.grad

    (first, last), (twice_first, twice_last) = gradient(1), gradient(2)
    np.testing.assert_allclose(twice_first, 2 * first, rtol=1e-5)
    np.testing.assert_array_equal(twice_last, last)


def test_hooks_may_be_stacked():
    order = []
    x = Tensor(np.ones(2), requires_grad=True)
    with (
        backward_hook(lambda step: order.append("outer")),
        forward_hook(lambda *_: order.append("forward")),
        backward_hook(lambda step: order.append("inner")),
    ):
        (x * 2.0).sum().backward()
    assert order == ["forward"] * 2 + ["outer", "inner"] * 2
