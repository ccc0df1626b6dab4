"""The pre-activation nets: their sizes, and the same numbers as in PyTorch."""

import numpy as np
import oracles
import pytest
from oracles import difference, needs_torch

import minires
from minires import functional as F
from minires import models
from minires.errors import UsageError


def count(net):
    return sum(p.size for p in net.parameters())


def images(dtype=np.float64):
    return np.random.default_rng(0).standard_normal((5, 3, 12, 12)).astype(dtype)


@pytest.mark.parametrize(("depth", "millions"), [(164, 1.7), (1001, 10.3)])
def test_parameters_are_about_as_many_as_the_paper_says(depth, millions):
    """1.7 and 10.2 million; where its nets differ from these by 1 %, it does not say."""
    assert round(count(models.PreactNet(depth)) / 1e6, 1) == millions


@pytest.mark.parametrize("depth", [11, 20])
def test_weighted_layers_are_the_depth(depth):
    net = models.PreactNet(depth)
    names = [n for n, p in net.named_parameters() if p.ndim > 1 and "downsample" not in n]
    assert len(names) == depth
    projected = [n for n, _ in net.named_parameters() if "downsample" in n]
    assert projected == [f"layer{i}.0.downsample.weight" for i in (1, 2, 3)]


def test_a_block_whose_branch_is_silent_hands_on_its_input_and_its_gradient_untouched():
    """Equation 5: nothing stands on the shortcut."""
    net = models.PreactNet(20, norm=minires.nn.BatchNorm2d)
    block = net.layer2[1]
    block.conv3.weight.data[...] = 0
    x = minires.Tensor(np.random.default_rng(0).standard_normal((2, 128, 4, 4), dtype=np.float32))
    x.requires_grad = True
    y = block(x)
    np.testing.assert_array_equal(y.data, x.data)
    gy = np.random.default_rng(1).standard_normal(y.shape, dtype=np.float32)
    y.backward(gy)
    np.testing.assert_array_equal(x.grad, gy)


@needs_torch
def test_logits_and_gradients_are_pytorchs():
    torch = oracles.torch
    minires.manual_seed(0)
    net = models.PreactNet(20).to(np.float64)
    w = {n: oracles.to_torch(p.data).requires_grad_() for n, p in net.named_parameters()}

    def bn_relu(x, name):
        weight, bias = w[f"{name}.weight"], w[f"{name}.bias"]
        return torch.relu(
            torch.nn.functional.batch_norm(x, None, None, weight, bias, training=True)
        )

    def conv(x, name, **how):
        return torch.nn.functional.conv2d(x, w[f"{name}.weight"], **how)

    x = conv(oracles.to_torch(images()), "conv1", padding=1)
    for stage in (1, 2, 3):
        for i in range(2):
            block, stride = f"layer{stage}.{i}", 2 if stage > 1 and i == 0 else 1
            a = bn_relu(x, f"{block}.bn1")
            y = bn_relu(conv(a, f"{block}.conv1"), f"{block}.bn2")
            y = bn_relu(conv(y, f"{block}.conv2", padding=1, stride=stride), f"{block}.bn3")
            y = conv(y, f"{block}.conv3")
            x = y + (conv(a, f"{block}.downsample", stride=stride) if i == 0 else x)
    theirs = bn_relu(x, "bn").mean((2, 3)) @ w["fc.weight"].T + w["fc.bias"]
    labels = np.array([1, 7, 3, 0, 9])
    torch.nn.functional.cross_entropy(theirs, oracles.to_torch(labels)).backward()
    logits = net(images())
    F.cross_entropy(logits, labels).backward()
    assert difference(logits.data, theirs.detach().numpy()) < 1e-9
    for name, p in net.named_parameters():
        assert difference(p.grad, w[name].grad.numpy()) < 1e-8, name


def test_checkpointed_to_the_bit():
    def gradients(every):
        minires.manual_seed(0)
        net = models.PreactNet(20, checkpoint_every=every)
        F.cross_entropy(net(images(np.float32)), np.arange(5)).backward()
        return [p.grad for p in net.parameters()]

    for a, b in zip(gradients(1), gradients(None), strict=True):
        np.testing.assert_array_equal(a, b)


def test_by_name():
    assert count(models.cifar_net("preact11")) == count(models.PreactNet(11))


def test_a_depth_that_is_not_9n_plus_2_raises():
    with pytest.raises(UsageError, match=r"9n \+ 2 .* got 21"):
        models.PreactNet(21)
