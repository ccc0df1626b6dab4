"""Class activation maps (Zhou et al. 2016)."""

import numpy as np
import pytest
from thin_nets import ThinNet

from minires import manual_seed, no_grad
from minires.vision.activation import activation_map, look

X = np.random.default_rng(0).standard_normal((2, 3, 96, 64), dtype=np.float32)


@pytest.fixture(scope="module")
def net():
    manual_seed(0)
    net = ThinNet(4)
    net.fc.bias.data[...] = np.arange(4)
    return net.eval()


def test_looking_gives_logits_probabilities_and_the_maps_they_come_from(net):
    seen = look(net, X)
    with no_grad():
        expected = net(X).numpy()
    np.testing.assert_allclose(seen.logits, expected, rtol=1e-6)
    e = np.exp(expected)
    np.testing.assert_allclose(seen.probabilities, e / e.sum(axis=1, keepdims=True), rtol=1e-5)
    assert seen.maps.shape == (2, 12, 3, 2)


def test_a_map_is_the_sum_of_the_formula(net):
    maps = look(net, X).maps[1]
    got = activation_map(net, maps, 2)
    w = net.fc.weight.data[2]
    for y in range(3):
        for x in range(2):
            assert got[y, x] == pytest.approx(
                sum(w[k] * maps[k, y, x] for k in range(12)), rel=1e-5
            )


@pytest.mark.parametrize("label", range(4))
def test_the_mean_of_a_map_and_the_bias_are_the_logit(net, label):
    seen = look(net, X)
    mean = activation_map(net, seen.maps[0], label).mean()
    assert mean + label == pytest.approx(seen.logits[0, label], rel=1e-5)
