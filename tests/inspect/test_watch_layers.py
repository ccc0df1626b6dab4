"""What layers answer, and the gradient that comes back, against the definition."""

import warnings

import numpy as np
import pytest

from minires import Tensor, models, nn
from minires import functional as F
from minires.inspect import watch_layers

LABELS = np.array([0, 1, 1])


class Small(nn.Module):
    """Two convolutions, the first with batch norm, and a linear layer; responses are kept."""

    def __init__(self):
        self.conv1 = nn.Conv2d(2, 3, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(3)
        self.conv2 = nn.Conv2d(3, 3, 3, padding=1)
        self.fc = nn.Linear(3, 2)
        self.to(np.float64)

    def forward(self, x):
        first = self.bn1(self.conv1(x))
        second = self.conv2(F.relu(first))
        self.responses = [first, second, self.fc(F.global_avg_pool2d(F.relu(second)))]
        for response in self.responses:
            response.retain_grad()
        return self.responses[-1]


def images():
    return np.random.default_rng(0).standard_normal((3, 2, 4, 4))


def test_a_response_is_what_follows_batch_norm_where_there_is_one():
    net = Small()
    with watch_layers() as layers:
        F.cross_entropy(net(images()), LABELS).backward()
    assert layers.paths == ["conv1", "conv2", "fc"]
    np.testing.assert_allclose(layers.std, [np.std(r.numpy()) for r in net.responses])
    norms = [np.sqrt((r.grad**2).sum()) for r in net.responses]
    np.testing.assert_allclose(layers.gradient, norms)


def test_the_gradient_is_that_of_differences():
    """Of the loss in conv2's response, moved element by element."""
    net = Small()
    with watch_layers() as layers:
        F.cross_entropy(net(images()), LABELS).backward()
    response = net.responses[1].numpy()
    h, differences = 1e-6, np.zeros(response.size)

    def loss(moved):
        return F.cross_entropy(net.fc(F.global_avg_pool2d(F.relu(moved))), LABELS).item()

    for i in range(response.size):
        step = np.zeros(response.size)
        step[i] = h
        up, down = (loss(Tensor(response + s * step.reshape(response.shape))) for s in (1, -1))
        differences[i] = (up - down) / (2 * h)
    assert layers.gradient[1] == pytest.approx(np.linalg.norm(differences), rel=1e-6)


def test_all_weighted_layers_of_a_net_come_in_their_order():
    with watch_layers() as layers:
        models.cifar_net("resnet8")(np.zeros((2, 3, 8, 8), np.float32))
    blocks = [f"layer{stage}.0.conv{k}" for stage in (1, 2, 3) for k in (1, 2)]
    assert layers.paths == ["conv1", *blocks, "fc"]
    assert np.isnan(layers.gradient).all(), "no backward came"


def test_without_batch_norm_the_response_is_the_convolution():
    net = models.cifar_net("plain8", norm=nn.Identity)
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 8), dtype=np.float32)
    with watch_layers() as layers:
        net(x)
    assert layers.std[0] == pytest.approx(net.conv1(x).numpy().std(), rel=1e-5)


def test_batch_norm_of_something_else_is_no_response():
    conv, other, norm = nn.Conv2d(2, 3, 1), nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3)
    x = images().astype(np.float32)
    with watch_layers() as layers:
        norm(other(x) + conv(x) * 9)
    assert layers.std[0] == pytest.approx(conv(x).numpy().std(), rel=1e-5)


def test_of_two_passes_the_last_one_counts():
    net = Small()
    with watch_layers() as layers:
        for factor in (1.0, 50.0):
            F.cross_entropy(net(images()) * factor, LABELS).backward()
    assert layers.gradient[-1] == pytest.approx(np.linalg.norm(net.responses[-1].grad))
    assert len(layers.paths) == 3


def test_an_infinite_response_has_no_std_and_no_warning():
    net = Small()
    net.fc.bias.data[0] = np.inf
    with warnings.catch_warnings(), watch_layers() as layers:
        warnings.simplefilter("error")
        net(images())
    assert np.isfinite(layers.std[:-1]).all()
    assert np.isnan(layers.std[-1])


def test_the_old_name_of_std_warns():
    with watch_layers() as layers:
        models.cifar_resnet(8)(np.zeros((2, 3, 8, 8), np.float32))
    with pytest.warns(DeprecationWarning, match="is now called std"):
        np.testing.assert_array_equal(layers.spread, layers.std)
