"""Layers: shapes and first values of their parameters, and what they compute."""

import numpy as np
import pytest
from oracles import assert_same

import minires
from minires import Tensor, nn
from minires import functional as F
from minires.errors import ShapeError, UsageError

X = np.random.default_rng(0).normal(size=(4, 3, 6, 6)).astype(np.float32)


def shapes(module):
    return {name: t.shape for name, t in module.named_tensors()}


def test_parameters_and_buffers_are_pytorchs():
    assert shapes(nn.Conv2d(3, 5, 3)) == {"weight": (5, 3, 3, 3), "bias": (5,)}
    assert shapes(nn.Conv2d(3, 5, (1, 2), bias=False)) == {"weight": (5, 3, 1, 2)}
    assert shapes(nn.Linear(3, 5)) == {"weight": (5, 3), "bias": (5,)}
    assert shapes(nn.Linear(3, 5, bias=False)) == {"weight": (5, 3)}
    assert shapes(nn.BatchNorm2d(3)) == dict.fromkeys(
        ("weight", "bias", "running_mean", "running_var"), (3,)
    )
    for stateless in (nn.ReLU(), nn.MaxPool2d(2), nn.GlobalAvgPool2d()):
        assert shapes(stateless) == {}
    assert [n for n, _ in nn.BatchNorm2d(3).named_parameters()] == ["weight", "bias"]


def test_first_values():
    bn = nn.BatchNorm2d(2).state_dict()
    assert [bn[k].tolist() for k in ("weight", "bias", "running_mean", "running_var")] == [
        [1, 1],
        [0, 0],
        [0, 0],
        [1, 1],
    ]
    assert not nn.Conv2d(3, 5, 3).bias.data.any()
    assert not nn.Linear(3, 5).bias.data.any()
    layers = (nn.Conv2d(3, 5, 3), nn.Linear(3, 5), nn.BatchNorm2d(3))
    assert all(t.dtype == np.float32 for layer in layers for _, t in layer.named_tensors())


def test_layers_are_their_functions():
    conv = nn.Conv2d(3, 5, 3, stride=2, padding=1)
    expected = F.conv2d(X, conv.weight, conv.bias, 2, 1)
    assert_same(conv(X).data, expected.data, 0)
    linear = nn.Linear(6, 2)
    assert_same(linear(X[0, 0]).data, F.linear(X[0, 0], linear.weight, linear.bias).data, 0)
    assert_same(nn.ReLU()(X).data, F.relu(X).data, 0)
    assert_same(nn.MaxPool2d(3, 2, 1)(X).data, F.max_pool2d(X, 3, 2, 1).data, 0)
    assert_same(nn.GlobalAvgPool2d()(X).data, F.global_avg_pool2d(X).data, 0)


def test_batch_norm_learns_its_statistics_in_training_and_uses_them_in_evaluation():
    bn = nn.BatchNorm2d(3, momentum=0.2)
    y = bn(X).data
    assert np.abs(y.mean((0, 2, 3))).max() < 1e-5
    mean = X.mean((0, 2, 3))
    var = X.var((0, 2, 3), ddof=1)
    assert_same(bn.running_mean.data, 0.2 * mean, 1e-5)
    assert_same(bn.running_var.data, 0.8 + 0.2 * var, 1e-5)
    before = bn.state_dict()
    y = bn.eval()(X).data
    assert all((v == before[k]).all() for k, v in bn.state_dict().items())
    m, v = (before[k].reshape(1, 3, 1, 1) for k in ("running_mean", "running_var"))
    assert_same(y, (X - m) / np.sqrt(v + 1e-5), 1e-5)
    x = Tensor(X[:1], requires_grad=True)
    bn(x).sum().backward()
    scale = 1 / np.sqrt(v + 1e-5)
    assert_same(x.grad, np.broadcast_to(scale, x.shape), 1e-5)


def test_batch_norm_raises_for_one_value_a_channel_in_training_only():
    bn, one = nn.BatchNorm2d(3), X[:1, :, :1, :1]
    with pytest.raises(
        ShapeError, match=r"more than one value a channel, got shape \(1, 3, 1, 1\)"
    ):
        bn(one)
    assert bn.eval()(one).shape == (1, 3, 1, 1)


def test_sequential():
    net = nn.Sequential(nn.ReLU(), nn.MaxPool2d(2), nn.GlobalAvgPool2d())
    assert len(net) == 3
    assert isinstance(net[1], nn.MaxPool2d)
    assert isinstance(net[-1], nn.GlobalAvgPool2d)
    assert [type(m) for m in net] == [nn.ReLU, nn.MaxPool2d, nn.GlobalAvgPool2d]
    expected = F.global_avg_pool2d(F.max_pool2d(F.relu(X), 2))
    assert_same(net(X).data, expected.data, 0)


@pytest.mark.parametrize("kernel", [0, -1, 1.5, (3, 0), (1, 2, 3)])
def test_a_kernel_that_cannot_be_raises(kernel):
    with pytest.raises(UsageError) as refusal:
        nn.Conv2d(3, 5, kernel)
    assert "kernel_size" in str(refusal.value)
    assert str(kernel) in str(refusal.value)


# --- initial weights ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("init", "shape", "variance"),
    [
        (nn.he_normal, (200, 30, 3, 3), 2 / (30 * 9)),
        (nn.he_normal, (300, 200), 2 / 200),
        (nn.xavier_normal, (200, 30, 3, 3), 2 / (30 * 9 + 200 * 9)),
        (nn.xavier_normal, (300, 200), 2 / 500),
    ],
)
def test_initial_weights_have_the_variance_of_their_fan(init, shape, variance):
    minires.manual_seed(0)
    w = init(shape)
    assert w.dtype == np.float32
    assert w.shape == shape
    assert abs(w.astype(float).var() / variance - 1) < 0.03
    assert abs(w.astype(float).mean()) < 0.02 * variance**0.5


def test_he_keeps_the_size_of_the_signal_through_rectifiers():
    minires.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(64, 256)).astype(np.float32)
    net = nn.Sequential(*(m for _ in range(10) for m in (nn.Linear(256, 256), nn.ReLU())))
    growth = (net(x).data ** 2).mean() / (x**2).mean()
    assert 0.1 < growth < 10, "without the factor 2 it would be 2^-10"


def test_the_seed_repeats_the_weights():
    def weights(seed):
        minires.manual_seed(seed)
        return nn.Linear(4, 4).weight.data

    assert (weights(3) == weights(3)).all()
    assert (weights(3) != weights(4)).any()


def test_another_initialisation_can_be_given():
    layer = nn.Linear(3, 2, init=lambda shape: np.full(shape, 5, np.float32))
    assert (layer.weight.data == 5).all()
    conv = nn.Conv2d(3, 2, 1, init=lambda shape: np.full(shape, 5, np.float32))
    assert (conv.weight.data == 5).all()


@pytest.mark.parametrize("what", [[nn.ReLU()], F.relu, None])
def test_a_sequence_takes_modules_alone(what):
    with pytest.raises(UsageError, match=r"Sequential takes modules, got .* at index 1"):
        nn.Sequential(nn.ReLU(), what)
