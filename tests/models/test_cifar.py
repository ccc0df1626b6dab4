"""The nets of the paper: their sizes, their names, and the same numbers as in PyTorch."""

import numpy as np
import oracles
import pytest
from oracles import difference, needs_torch

import minires
from minires import functional as F
from minires import models, no_grad, optim
from minires.errors import ShapeError, UsageError
from minires.models.blocks import BasicBlock

SHORTCUTS = {"plain": None, "A": "A", "B": "B", "C": "C"}


def build(depth, kind, **options):
    if SHORTCUTS[kind] is None:
        return models.cifar_plain(depth, **options)
    return models.cifar_resnet(depth, kind, **options)


def count(net):
    return sum(p.size for p in net.parameters())


@pytest.mark.parametrize(
    ("depth", "a", "b"),
    [
        (20, 269722, 272474),
        (32, 464154, 466906),
        (44, 658586, 661338),
        (56, 853018, 855770),
        (110, 1727962, 1730714),
        (1202, 19421274, 19424026),
    ],
)
def test_parameter_counts(depth, a, b):
    assert count(models.cifar_plain(depth)) == a
    assert count(models.cifar_resnet(depth)) == a
    assert count(models.cifar_resnet(depth, "B")) == b


@pytest.mark.parametrize("kind", SHORTCUTS)
def test_weighted_layers_are_the_depth(kind):
    net = build(26, kind)
    layers = [
        name
        for name, t in net.named_parameters()
        if t.ndim > 1 and not name.endswith("downsample.0.weight")
    ]
    assert len(layers) == 26


def torchvision_keys(depth, kind):
    """The names that torchvision's BasicBlock and ResNet give, written out."""

    def bn(name):
        return [f"{name}.{k}" for k in ("weight", "bias", "running_mean", "running_var")]

    keys = ["conv1.weight", *bn("bn1")]
    for layer in (1, 2, 3):
        for i in range((depth - 2) // 6):
            block = f"layer{layer}.{i}"
            for k in (1, 2):
                keys += [f"{block}.conv{k}.weight", *bn(f"{block}.bn{k}")]
            if kind == "C" or (kind == "B" and i == 0 and layer > 1):
                keys += [f"{block}.downsample.0.weight", *bn(f"{block}.downsample.1")]
    return [*keys, "fc.weight", "fc.bias"]


@pytest.mark.parametrize("kind", SHORTCUTS)
@pytest.mark.parametrize("depth", [8, 20])
def test_names_are_torchvisions(depth, kind):
    assert list(build(depth, kind).state_dict()) == torchvision_keys(depth, kind)


def test_shapes_are_the_papers():
    state = models.cifar_resnet(20, "B").state_dict()
    assert state["conv1.weight"].shape == (16, 3, 3, 3)
    assert state["layer2.0.conv1.weight"].shape == (32, 16, 3, 3)
    assert state["layer2.0.downsample.0.weight"].shape == (32, 16, 1, 1)
    assert state["layer3.2.conv2.weight"].shape == (64, 64, 3, 3)
    assert state["fc.weight"].shape == (10, 64)


def test_maps_halve_at_stages_two_and_three():
    net = models.cifar_resnet(8)
    x = minires.Tensor(np.zeros((2, 3, 33, 32), np.float32))
    x = net.bn1(net.conv1(x))
    found = []
    for layer in (net.layer1, net.layer2, net.layer3):
        x = layer(x)
        found.append(x.shape)
    assert found == [(2, 16, 33, 32), (2, 32, 17, 16), (2, 64, 9, 8)]


def test_classes_and_channels():
    net = models.cifar_resnet(8, num_classes=7, in_channels=1)
    assert net(np.zeros((2, 1, 8, 8), np.float32)).shape == (2, 7)
    with pytest.raises(ShapeError, match=r"\(2, 3, 8, 8\).*\(16, 1, 3, 3\)"):
        net(np.zeros((2, 3, 8, 8), np.float32))


@pytest.mark.parametrize("depth", [0, 2, 3, 7, 18, 34, 51, 111, -4, 1.5])
def test_a_depth_that_is_not_6n_plus_2_raises(depth):
    for build_net in (models.cifar_plain, models.cifar_resnet):
        with pytest.raises(UsageError, match=rf"6n \+ 2 .*got {depth}"):
            build_net(depth)


@pytest.mark.parametrize("shortcut", ["D", "a", "", 1, "AB"])
def test_a_shortcut_that_does_not_exist_raises(shortcut):
    with pytest.raises(UsageError, match=f"A, B, C or None, got {shortcut!r}"):
        models.cifar_resnet(8, shortcut)


def test_models_by_name():
    assert count(models.cifar_net("resnet20")) == 269722
    assert models.cifar_net("resnet8").layer1[0].shortcut == "A"
    assert models.cifar_net("resnet8", shortcut="C").layer1[0].shortcut == "C"
    assert models.cifar_net("plain8").layer1[0].shortcut is None


def test_a_block_whose_convolutions_are_zero_is_the_rectified_identity():
    block = BasicBlock(4, 4, 1, "A")
    block.conv1.weight.data[:] = 0
    block.conv2.weight.data[:] = 0
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 5)).astype(np.float32)
    np.testing.assert_array_equal(block(x).data, np.maximum(x, 0))
    plain = BasicBlock(4, 4, 1, None)
    plain.load_state_dict(block.state_dict())
    assert not plain(x).data.any()


def test_the_same_seed_gives_plain_and_residual_the_same_weights():
    states = []
    for net in (models.cifar_plain, models.cifar_resnet):
        minires.manual_seed(0)
        states.append(net(20).state_dict())
    assert all((v == states[1][k]).all() for k, v in states[0].items())


# --- the same numbers as in PyTorch -------------------------------------------------------


def batch(dtype, size=16, n=8):
    rng = np.random.default_rng(1)
    return rng.normal(size=(n, 3, size, size)).astype(dtype), rng.integers(10, size=n)


def pair(depth, kind, dtype):
    """A net of ours with weights that are nowhere 0 or 1, and the same in PyTorch."""
    minires.manual_seed(0)
    net = build(depth, kind).to(dtype)
    rng = np.random.default_rng(2)
    for name, t in net.named_tensors():
        if ".bn" in name or name.startswith("bn") or "downsample.1" in name:
            t.data[...] = rng.uniform(0.5, 1.5, t.shape)
    theirs = oracles.TorchNet(net.state_dict(), SHORTCUTS[kind], getattr(oracles.torch, dtype))
    return net, theirs


def losses(net, theirs, x, labels):
    """One forward and backward of both: (our logits, our loss), (theirs)."""
    logits = net(x)
    loss = F.cross_entropy(logits, labels)
    net.zero_grad()
    loss.backward()
    t_logits = theirs(oracles.to_torch(x))
    t_loss = oracles.torch.nn.functional.cross_entropy(t_logits, oracles.to_torch(labels))
    for p in theirs.parameters.values():
        p.grad = None
    t_loss.backward()
    return (logits.data, loss.data), (t_logits.detach().numpy(), t_loss.detach().numpy())


NETS = [(20, "plain"), (20, "A"), (56, "plain"), (32, "B"), (32, "C")]


@needs_torch
@pytest.mark.parametrize(("depth", "kind"), NETS)
def test_float64_parity(depth, kind):
    net, theirs = pair(depth, kind, "float64")
    (logits, loss), (t_logits, t_loss) = losses(net, theirs, *batch("float64"))
    assert difference(logits, t_logits) < 1e-9
    assert difference(loss, t_loss) < 1e-9
    gradients = {name: p.grad for name, p in net.named_parameters()}
    assert gradients.keys() == theirs.parameters.keys()
    for name, p in theirs.parameters.items():
        assert difference(gradients[name], p.grad.numpy()) < 1e-9, name
    for name, t in net.named_tensors():
        assert difference(t.data, theirs.state[name].detach().numpy()) < 1e-9, name


@needs_torch
def test_float32_parity():
    net, theirs = pair(20, "A", "float32")
    (logits, loss), (t_logits, t_loss) = losses(net, theirs, *batch("float32"))
    assert logits.dtype == loss.dtype == np.float32
    assert difference(logits, t_logits) < 1e-4
    assert difference(loss, t_loss) < 1e-4
    for name, p in net.named_parameters():
        assert p.grad.dtype == np.float32
        assert difference(p.grad, theirs.parameters[name].grad.numpy()) < 1e-4, name


@needs_torch
@pytest.mark.parametrize(("depth", "kind"), [(20, "A"), (20, "plain"), (14, "B")])
def test_ten_steps_of_training_parity(depth, kind):
    net, theirs = pair(depth, kind, "float64")
    ours = optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    other = oracles.torch.optim.SGD(
        theirs.parameters.values(), lr=0.1, momentum=0.9, weight_decay=1e-4
    )
    x, labels = batch("float64", n=80)
    for i in range(10):
        images = slice(8 * i, 8 * i + 8)
        losses(net, theirs, x[images], labels[images])
        ours.step()
        other.step()
    start = pair(depth, kind, "float64")[0].state_dict()
    for name, t in net.named_tensors():
        assert difference(t.data, theirs.state[name].detach().numpy()) < 1e-6, name
        assert difference(t.data, start[name]) > 1e-3, f"{name} has not moved"


@needs_torch
@pytest.mark.parametrize("kind", SHORTCUTS)
def test_evaluation_parity(kind):
    net, theirs = pair(14, kind, "float64")
    x, _ = batch("float64")
    with no_grad():
        got = net.eval()(x).data
    assert difference(got, theirs(oracles.to_torch(x), training=False).detach().numpy()) < 1e-10
