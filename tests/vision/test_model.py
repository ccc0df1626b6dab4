"""A net in two parts computes what it computes as one."""

import numpy as np
import pytest
from thin_nets import ThinNet

from minires import functional as F
from minires import manual_seed, no_grad
from minires.errors import UsageError
from minires.vision.finetune.model import split


@pytest.fixture
def net():
    manual_seed(0)
    net = ThinNet(5)
    for name, tensor in net.named_tensors():  # statistics as after training
        if "running" in name:
            tensor.data[...] += 0.3
    return net


X = np.random.default_rng(0).standard_normal((3, 3, 64, 48), dtype=np.float32)


@pytest.mark.parametrize("stages", [0, 1, 2, 3])
def test_both_parts_together_are_the_net(net, stages):
    frozen, last = split(net, stages)
    with no_grad():
        expected = net.eval()(X).numpy()
        got = last.eval()(frozen(X)).numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("stages", [0, 1, 2, 3])
def test_the_last_part_has_the_last_stages_and_shares_them(net, stages):
    frozen, last = split(net, stages)
    names = [name for name, _ in last.named_parameters()]
    kept = {f"layer{i}" for i in range(5 - stages, 5)} | {"fc"}
    assert {name.split(".")[0] for name in names} == kept
    assert all(p is dict(net.named_parameters())[name] for name, p in last.named_parameters())
    both = names + [name for name, _ in frozen.named_parameters()]
    assert sorted(both) == sorted(name for name, _ in net.named_parameters())


def test_the_first_part_is_in_evaluation_while_the_last_is_trained(net):
    frozen, last = split(net, 1)
    before = frozen.state_dict()
    statistics = net.layer4[0].bn1.running_mean.data.copy()
    loss = F.cross_entropy(last(frozen(X)), np.arange(3))
    loss.backward()
    assert (net.layer4[0].bn1.running_mean.data != statistics).any()
    for name, array in frozen.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("stages", [-1, 4])
def test_a_part_that_there_is_not_raises(net, stages):
    with pytest.raises(UsageError, match=f"stages must be 0 to 3, got {stages}"):
        split(net, stages)
