"""Class activation maps (Zhou et al. 2016)."""

import io

import numpy as np
import pytest
from PIL import Image
from thin_nets import ThinNet

from minires import manual_seed, no_grad
from minires.vision.cam import activation_figure, activation_map, predict

X = np.random.default_rng(0).standard_normal((2, 3, 96, 64), dtype=np.float32)


@pytest.fixture(scope="module")
def net():
    manual_seed(0)
    net = ThinNet(4)
    net.fc.bias.data[...] = np.arange(4)
    return net.eval()


def test_a_prediction_has_logits_probabilities_and_the_feature_maps_they_come_from(net):
    prediction = predict(net, X)
    with no_grad():
        expected = net(X).numpy()
    np.testing.assert_allclose(prediction.logits, expected, rtol=1e-6)
    e = np.exp(expected)
    np.testing.assert_allclose(
        prediction.probabilities, e / e.sum(axis=1, keepdims=True), rtol=1e-5
    )
    assert prediction.feature_maps.shape == (2, 12, 3, 2)


def test_a_map_is_the_sum_of_the_formula(net):
    maps = predict(net, X).feature_maps[1]
    got = activation_map(net, maps, 2)
    w = net.fc.weight.data[2]
    for y in range(3):
        for x in range(2):
            assert got[y, x] == pytest.approx(
                sum(w[k] * maps[k, y, x] for k in range(12)), rel=1e-5
            )


@pytest.mark.parametrize("label", range(4))
def test_the_mean_of_a_map_and_the_bias_are_the_logit(net, label):
    prediction = predict(net, X)
    mean = activation_map(net, prediction.feature_maps[0], label).mean()
    assert mean + label == pytest.approx(prediction.logits[0, label], rel=1e-5)


# --- figure -----------------------------------------------------------------------------------


MAP = np.arange(12.0).reshape(3, 4)


def test_the_map_lies_over_what_the_net_sees_and_the_rest_is_dark(figures):
    image = Image.new("RGB", (80, 60), (200, 100, 50))
    content = activation_figure(image, (20, 10, 60, 50), MAP, 3, "cat", 0.925)
    assert Image.open(io.BytesIO(content)).format == "PNG"
    plain, over = figures[0].axes[:2]
    below, laid_over = over.images
    assert (plain.images[0].get_array()[0, 0] * 255).round().tolist() == [200, 100, 50]
    assert below.get_array()[0, 0].sum() < 0.5 * plain.images[0].get_array()[0, 0].sum()
    assert laid_over.get_extent() == [19.5, 59.5, 49.5, 9.5]
    np.testing.assert_array_equal(laid_over.get_array(), MAP)
    assert over.get_title() == "activation for “cat” (92.5 %)"
    assert over.get_xlim() == (-0.5, 79.5)
    assert over.get_ylim() == (59.5, -0.5)


@pytest.mark.parametrize("size", [(300, 30), (30, 300)])
def test_long_and_thin_images_are_drawn_too(figures, size):
    image = Image.new("RGB", size)
    assert activation_figure(image, (1, 1, 29, 29), MAP, 0, "\U00012000", 0.5)
