"""The responses of trained nets, against arrays computed beside them."""

import numpy as np
import pytest

from minires import no_grad
from minires.data import digits
from minires.errors import UsageError
from minires.experiments.degradation import Config, Degradation
from minires.experiments.gradient_flow.responses import Responses
from minires.models import NetSpec

DATA = digits()
PLAIN, RESIDUAL = NetSpec("plain", 8), NetSpec("resnet", 8)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    config = Config(nets=("resnet8",), epochs=1, seeds=(0, 1))
    for _ in Degradation.start(config, DATA, out).run():
        pass
    return out


def first_and_third(net):
    """The standard deviations of conv1 and of layer1.0.conv2, and of every channel of conv1."""
    with no_grad():
        x = net.bn1(net.conv1(DATA.inputs(DATA.test_images)))
        block = net.layer1[0]
        y = block.bn1(block.conv1(np.maximum(x.numpy(), 0)))
        y = block.bn2(block.conv2(np.maximum(y.numpy(), 0)))
    return x.numpy().std(), y.numpy().std(), x.numpy().std(axis=(0, 2, 3))


def test_responses_are_after_batch_norm_and_before_what_comes_next():
    (found,) = nets = Responses(DATA, (PLAIN,), steps=3)
    assert len(nets) == 1
    assert found.net == PLAIN
    assert len(found.layers) == 7, "the linear layer is none"
    assert found.layers[2] == "layer1.0.conv2"
    assert [row["layer"] for row in found.rows()] == [1, 2, 3, 4, 5, 6, 7]
    net = nets.model(PLAIN)
    one, three, channels = first_and_third(net)
    assert found.std[[0, 2]] == pytest.approx([one, three], rel=1e-4)
    np.testing.assert_allclose(channels, np.abs(net.bn1.weight.numpy()), rtol=1e-3)


def test_training_decides_them():
    (before,) = Responses(DATA, (RESIDUAL,), steps=3)
    nets = Responses(DATA, (RESIDUAL,), steps=30)
    (after,) = nets
    assert np.abs(after.std - 1).max() > 2 * np.abs(before.std - 1).max()
    assert nets.training == "after 30 steps of training"


def test_nets_of_a_run_are_taken_as_it_left_them(finished):
    nets = Responses(DATA, (RESIDUAL,), seed=1, run=finished)
    (found,) = nets
    (other,) = Responses(DATA, (RESIDUAL,), seed=0, run=finished)
    assert found.std[0] == pytest.approx(first_and_third(nets.model(RESIDUAL).train())[0])
    assert (found.std != other.std).any()
    assert str(finished) in nets.training


def test_a_net_that_the_run_has_not_raises(finished):
    with pytest.raises(UsageError, match="no trained plain8, seed 0; it has resnet8-seed0"):
        list(Responses(DATA, (PLAIN,), run=finished))
