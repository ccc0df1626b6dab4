"""Gradients at neighbouring inputs: against linear nets, differences, and by hand."""

import numpy as np
import pytest

from minires import functional as F
from minires import nn
from minires.experiments.gradient_flow.shattered import Shattered, input_gradients, neighbours
from minires.models import NetSpec, cifar_net


def test_the_gradients_of_a_linear_net_correlate_fully():
    rng = np.random.default_rng(0)
    net = nn.Linear(5, 4).to(np.float64)
    projection = rng.standard_normal(4)
    gradients = input_gradients(net, rng.standard_normal((7, 5)), projection)
    np.testing.assert_allclose(gradients, np.tile(projection @ net.weight.numpy(), (7, 1)))
    assert neighbours(gradients) == pytest.approx(1, abs=1e-12)


def test_correlations_are_of_each_gradient_with_the_next_one():
    gradients = np.array([[1.0, 0.0], [2.0, 2.0], [-3.0, 3.0]])
    assert neighbours(gradients) == pytest.approx((np.sqrt(0.5) + 0) / 2)


def test_a_gradient_is_that_of_differences_and_of_its_own_input_alone():
    rng = np.random.default_rng(0)
    net = cifar_net("resnet8").to(np.float64)
    x = rng.standard_normal((3, 3, 8, 8))
    net(x)
    net.eval()
    projection = rng.standard_normal(10)
    gradients = input_gradients(net, x, projection)
    direction = rng.standard_normal(x.shape) * 1e-6
    up, down = ((net(x + s * direction).numpy() @ projection) for s in (1, -1))
    along = (gradients * direction.reshape(3, -1)).sum(axis=1)
    np.testing.assert_allclose(along, (up - down) / 2, rtol=1e-4)
    x[1:] += 1
    np.testing.assert_allclose(input_gradients(net, x, projection)[0], gradients[0], rtol=1e-9)


def test_the_arc_goes_from_one_input_to_the_other_and_its_direction_is_that_of_differences():
    start, end = np.random.default_rng(0).standard_normal((2, 5))
    points, tangents = Shattered(inputs=901).arc(start, end)
    np.testing.assert_allclose(points[0], start)
    np.testing.assert_allclose(points[-1], end, atol=1e-12)
    step = np.radians(0.1)
    np.testing.assert_allclose((points[2:] - points[:-2]) / (2 * step), tangents[1:-1], atol=1e-4)


def test_weights_are_drawn_anew_for_each_draw(monkeypatch):
    made = []
    build = NetSpec.build
    monkeypatch.setattr(
        NetSpec, "build", lambda *a, **how: (made.append(build(*a, **how)), made[-1])[1]
    )
    for number in (0, 1, 0):
        Shattered(inputs=4).draw(NetSpec("plain", 8), number)
    one, other, again = (net.conv1.weight.numpy() for net in made)
    assert (one != other).all()
    assert (one == again).all()


def test_batch_norm_is_frozen_at_the_inputs_own_statistics(monkeypatch):
    seen = []
    original = F.batch_norm

    def spy(x, mean, var, *rest):
        if not rest[2]:  # in evaluation
            seen.append(np.abs(x.numpy().mean(axis=(0, 2, 3)) - mean.numpy()).max())
        return original(x, mean, var, *rest)

    monkeypatch.setattr(F, "batch_norm", spy)
    Shattered(inputs=8).draw(NetSpec("plain", 8), 0)
    assert len(seen) == 7
    assert seen[0] < 1e-6
    assert max(seen) < 0.05, "not 0 behind it: the variance that is kept is the unbiased one"


def test_plain_nets_shatter_and_residual_nets_much_less():
    found = {str(net.net): net for net in Shattered(depths=(8, 26), draws=2, inputs=32)}
    mean = {name: net.correlation.mean() for name, net in found.items()}
    assert list(mean) == ["plain8", "plain26", "resnet8", "resnet26"]
    assert mean["plain26"] < 0.3 * mean["plain8"]
    assert mean["resnet26"] > 2 * mean["plain26"]
    assert found["plain8"].slope.shape == found["plain8"].angles.shape == (32,)
    assert [row["draw"] for row in found["resnet8"].rows()] == [0, 1]


def test_draws_differ_and_the_seed_decides_them():
    def correlations(seed):
        (plain, _) = Shattered(depths=(8,), draws=3, inputs=8, seed=seed)
        return plain.correlation.tolist()

    assert correlations(0) == correlations(0)
    assert len(set(correlations(0) + correlations(10))) == 6
    assert len(Shattered(depths=(8, 14))) == 4
