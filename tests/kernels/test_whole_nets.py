"""Whole nets, inside and outside `textbook`: loss, gradients, statistics, and what they learn."""

import numpy as np
import pytest
from machines import machine
from oracles import difference

import minires
from minires import functional as F
from minires import models, nn, no_grad, optim, textbook

NETS = {
    "plain20": lambda: models.cifar_plain(20),
    "resnet20": lambda: models.cifar_resnet(20),
    "resnet20, B": lambda: models.cifar_resnet(20, "B"),
    "resnet20, C": lambda: models.cifar_resnet(20, "C"),
}


def stem_with_max_pooling():
    """The beginning of a net for large images, and its end."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 7, stride=2, padding=3, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
        nn.Conv2d(8, 12, (1, 5), (2, 1), (0, 2)),
        nn.ReLU(),
        nn.GlobalAvgPool2d(),
        nn.Linear(12, 10),
    )


def trained(make, steps, dtype="float64", N=5):
    """Everything that a user sees of a net after some steps of training, by name."""
    minires.manual_seed(0)
    net = make().to(dtype)
    rng = np.random.default_rng(1)
    optimiser = optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    found = {}
    for i in range(steps):
        images = rng.normal(size=(N, 3, 16, 15)).astype(np.float32).astype(dtype)
        labels = rng.integers(10, size=N)
        net.zero_grad()
        logits = net(images)
        loss = F.cross_entropy(logits, labels, label_smoothing=0.1 * (i % 2))
        loss.backward()
        optimiser.step()
        found |= {f"loss {i}": loss.data, f"logits {i}": logits.data}
    found |= {f"gradient of {name}": p.grad for name, p in net.named_parameters()}
    found |= net.state_dict()
    with no_grad():
        found["tested"] = net.eval()(images).data
    return found


def expect_the_same(got, expected, tolerance):
    assert got.keys() == expected.keys()
    wrong = {name: difference(got[name], expected[name]) for name in got}
    assert not {name: by for name, by in wrong.items() if not by <= tolerance}


@pytest.mark.parametrize("tiny", [False, True], ids=["as they are", "tiny"])
@pytest.mark.parametrize("name", NETS)
def test_one_step_of_training(name, tiny):
    with machine(2, tiny):
        got = trained(NETS[name], 1)
    with textbook():
        expect_the_same(got, trained(NETS[name], 1), 1e-10)


@pytest.mark.parametrize("name", NETS)
def test_five_steps_of_training(name):
    got = trained(NETS[name], 5)
    with textbook():
        expect_the_same(got, trained(NETS[name], 5), 1e-9)


@pytest.mark.parametrize("name", NETS)
def test_float32_is_as_near_to_float64_as_the_references(name):
    got = trained(NETS[name], 1, "float32", N=16)
    with textbook():
        near = trained(NETS[name], 1, "float32", N=16)
        exact = trained(NETS[name], 1, N=16)
    assert all(a.dtype == np.float32 for a in got.values())
    for key, right in exact.items():
        assert difference(got[key], right) < 1e-5 + 3 * difference(near[key], right), key


@pytest.mark.parametrize("tiny", [False, True], ids=["as they are", "tiny"])
def test_a_net_of_other_layers(tiny):
    with machine(3, tiny):
        got = trained(stem_with_max_pooling, 3)
    with textbook():
        expect_the_same(got, trained(stem_with_max_pooling, 3), 1e-11)


@pytest.mark.parametrize("N", [1, 7])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NETS)
def test_inference(name, dtype, N):
    def tested():
        minires.manual_seed(0)
        net = NETS[name]().to(dtype).eval()
        rng = np.random.default_rng(2)
        for key, t in net.named_tensors():
            if key.endswith(("running_mean", "running_var")):
                t.data[...] = rng.uniform(0.5, 1.5, t.shape)
        with no_grad():
            y = net(rng.normal(size=(N, 3, 16, 16)).astype(dtype))
        assert y.op is None
        return y.data

    got = tested()
    with textbook():
        expected = tested()
    assert got.dtype == dtype
    assert difference(got, expected) < (1e-5 if dtype == "float32" else 1e-12)


def test_a_net_in_evaluation_has_the_references_gradients():
    def gradients():
        minires.manual_seed(0)
        net = models.cifar_resnet(8, "B").to("float64").eval()
        x = minires.Tensor(np.random.default_rng(0).normal(size=(4, 3, 16, 16)), requires_grad=True)
        F.cross_entropy(net(x), np.arange(4)).backward()
        return {"x": x.grad} | {name: p.grad for name, p in net.named_parameters()}

    got = gradients()
    with textbook():
        expect_the_same(got, gradients(), 1e-11)


def test_training_continues_after_testing_in_between():
    """The statistics are updated by training alone, and testing leaves nothing behind."""

    def losses(test_between):
        minires.manual_seed(0)
        net = models.cifar_resnet(8)
        images = np.random.default_rng(0).normal(size=(4, 3, 16, 16)).astype(np.float32)
        optimiser = optim.SGD(net.parameters(), lr=0.05)
        found = []
        for _ in range(3):
            net.zero_grad()
            loss = F.cross_entropy(net(images), np.arange(4))
            loss.backward()
            optimiser.step()
            found.append(loss.item())
            if test_between:
                with no_grad():
                    net.eval()(images[:1])
                net.train()
        return found, net.state_dict()

    (found, state), (expected, expected_state) = losses(True), losses(False)
    assert found == expected
    for name, value in state.items():
        np.testing.assert_array_equal(value, expected_state[name])
