"""The nets for large images: the paper's sizes, torchvision's names, PyTorch's numbers."""

import numpy as np
import oracles
import pytest
from oracles import difference, needs_torch

import minires
from minires import functional as F
from minires import models, no_grad, optim
from minires.errors import ShapeError, UsageError
from minires.models.blocks import BasicBlock, Bottleneck
from minires.models.resnet import DEPTHS, ResNet
from minires.models.spec import IMAGENET_NAMES, imagenet_net

PARAMETERS = {18: 11689512, 34: 21797672, 50: 25557032, 101: 44549160, 152: 60192808}


def count(net):
    return sum(p.size for p in net.parameters())


def images(n=2, height=64, width=64, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal((n, 3, height, width)).astype(dtype)


# --- what they are made of ------------------------------------------------------------------


@pytest.mark.parametrize("depth", PARAMETERS)
def test_parameter_counts_are_torchvisions(depth):
    assert count(getattr(models, f"resnet{depth}")()) == PARAMETERS[depth]
    assert count(getattr(models, f"resnet{depth}")(stride_in="1x1")) == PARAMETERS[depth]


@pytest.mark.parametrize("depth", [18, 34])
def test_a_plain_net_has_as_many_as_one_with_shortcuts_a(depth):
    plain = getattr(models, f"plain{depth}")()
    assert count(plain) == count(ResNet(depth, "A"))
    assert not any("downsample" in name for name in plain.state_dict())


@pytest.mark.parametrize("depth", DEPTHS)
def test_weighted_layers_are_the_depth(depth):
    net = ResNet(depth, num_classes=10)
    names = [n for n, p in net.named_parameters() if p.ndim > 1 and "downsample" not in n]
    assert len(names) == depth


@pytest.mark.parametrize("depth", DEPTHS)
def test_projections_are_where_shapes_change_and_in_conv2_x_of_bottlenecks(depth):
    net = ResNet(depth, num_classes=10)
    projected = [p for p, m in net.named_modules() if p.endswith("downsample")]
    first = ["layer1.0.downsample"] if depth >= 50 else []
    assert projected == first + [f"layer{i}.0.downsample" for i in (2, 3, 4)]


def torchvision_keys(depth):
    """The names of torchvision's state dict, without num_batches_tracked, written out."""

    def bn(name):
        return [f"{name}.{k}" for k in ("weight", "bias", "running_mean", "running_var")]

    _, counts = DEPTHS[depth]
    keys = ["conv1.weight", *bn("bn1")]
    for layer, blocks in enumerate(counts, start=1):
        for i in range(blocks):
            block = f"layer{layer}.{i}"
            for k in range(1, 3 + (depth >= 50)):
                keys += [f"{block}.conv{k}.weight", *bn(f"{block}.bn{k}")]
            if i == 0 and (layer > 1 or depth >= 50):
                keys += [f"{block}.downsample.0.weight", *bn(f"{block}.downsample.1")]
    return [*keys, "fc.weight", "fc.bias"]


@pytest.mark.parametrize("depth", DEPTHS)
def test_names_are_torchvisions(depth):
    assert list(ResNet(depth, num_classes=10).state_dict()) == torchvision_keys(depth)


def test_shapes_are_torchvisions():
    state = models.resnet50(num_classes=7).state_dict()
    expected = {
        "conv1.weight": (64, 3, 7, 7),
        "layer1.0.conv1.weight": (64, 64, 1, 1),
        "layer1.0.conv3.weight": (256, 64, 1, 1),
        "layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "layer2.0.conv2.weight": (128, 128, 3, 3),
        "layer4.0.downsample.0.weight": (2048, 1024, 1, 1),
        "layer4.2.bn3.running_var": (2048,),
        "fc.weight": (7, 2048),
    }
    assert {name: state[name].shape for name in expected} == expected


def test_the_stride_is_where_it_was_asked_for():
    def strides(**how):
        net = models.resnet50(num_classes=2, **how)
        block = net.layer3[0]
        return block.conv1.stride, block.conv2.stride

    assert strides() == strides(stride_in="3x3") == (1, 2)
    assert strides(stride_in="1x1") == (2, 1)


@pytest.mark.parametrize("name", IMAGENET_NAMES)
def test_nets_by_name(name):
    net = imagenet_net(name, num_classes=3)
    assert count(net) == count(getattr(models, name)(num_classes=3))


# --- what they compute ------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(64, 64), (65, 97)])
def test_maps_are_a_thirty_second_of_the_image(height, width):
    net = models.resnet18(num_classes=5).eval()
    with no_grad():
        maps = net.maps(minires.Tensor(images(1, height, width)))
        assert maps.shape == (1, 512, -(-height // 32), -(-width // 32))
        assert net(images(1, height, width)).shape == (1, 5)


@pytest.mark.parametrize("shortcut", ["A", "B", "C"])
@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
def test_a_block_whose_branch_is_silent_is_its_shortcut(block, shortcut):
    channels = 4 * block.expansion
    net = block(channels, 4, 1, shortcut)
    net.layers[-1][1].weight.data[...] = 0
    x = np.abs(np.random.default_rng(0).standard_normal((3, channels, 5, 6), dtype=np.float32))
    y = net(x).data
    if shortcut == "C":
        assert hasattr(net, "downsample")
        assert not np.allclose(y, x)
    else:
        np.testing.assert_allclose(y, x, rtol=1e-6)


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
def test_shortcut_a_adds_zero_channels_and_no_parameters(block):
    net, plain = (block(8, 8, 2, shortcut) for shortcut in ("A", None))
    assert count(net) == count(plain)
    assert net(np.ones((2, 8, 6, 6), np.float32)).shape == (2, 8 * block.expansion, 3, 3)


def torch_net(depth, stride_in, num_classes):
    """The net put together from PyTorch's own layers, as torchvision names them."""
    nn = oracles.torch.nn

    class Block(nn.Module):
        def __init__(self, before, channels, stride):
            super().__init__()
            wide = depth >= 50
            after = channels * (4 if wide else 1)
            if wide:
                first, second = (1, stride) if stride_in == "3x3" else (stride, 1)
                layers = [(channels, 1, first), (channels, 3, second), (after, 1, 1)]
            else:
                layers = [(channels, 3, stride), (after, 3, 1)]
            self.n = len(layers)
            inside = before
            for i, (out, kernel, s) in enumerate(layers, 1):
                conv = nn.Conv2d(inside, out, kernel, s, padding=kernel // 2, bias=False)
                setattr(self, f"conv{i}", conv)
                setattr(self, f"bn{i}", nn.BatchNorm2d(out))
                inside = out
            self.downsample = None
            if stride != 1 or before != after:
                self.downsample = nn.Sequential(
                    nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
                )

        def forward(self, x):
            y = x
            for i in range(1, self.n + 1):
                y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
                y = nn.functional.relu(y) if i < self.n else y
            x = x if self.downsample is None else self.downsample(x)
            return nn.functional.relu(y + x)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
            self.bn1 = nn.BatchNorm2d(64)
            before = 64
            for stage, blocks in enumerate(DEPTHS[depth][1]):
                made = []
                for i in range(blocks):
                    made.append(Block(before, 64 * 2**stage, 2 if stage and not i else 1))
                    before = 64 * 2**stage * (4 if depth >= 50 else 1)
                setattr(self, f"layer{stage + 1}", nn.Sequential(*made))
            self.fc = nn.Linear(before, num_classes)

        def forward(self, x):
            x = nn.functional.relu(self.bn1(self.conv1(x)))
            x = nn.functional.max_pool2d(x, 3, 2, padding=1)
            for i in range(1, 5):
                x = getattr(self, f"layer{i}")(x)
            return self.fc(x.mean((2, 3)))

    return Net()


def both(depth, stride_in, dtype=np.float32):
    """The same net twice, with weights that keep activations and gradients in bounds."""
    minires.manual_seed(depth)
    ours = ResNet(depth, num_classes=10, stride_in=stride_in).to(dtype)
    for name, p in ours.named_parameters():
        if name.endswith((".bn2.weight", ".bn3.weight")):
            p.data[...] = 0.5
    theirs = torch_net(depth, stride_in, 10).to(oracles.to_torch(np.zeros(1, dtype)).dtype)
    state = {name: oracles.to_torch(a) for name, a in ours.state_dict().items()}
    missing, unexpected = theirs.load_state_dict(state, strict=False)
    assert not unexpected
    assert all("num_batches_tracked" in name for name in missing)
    return ours, theirs


@needs_torch
@pytest.mark.parametrize(
    ("depth", "stride_in", "height", "width"),
    [
        *((depth, "3x3", 64, 64) for depth in DEPTHS),
        (18, "3x3", 65, 49),
        (50, "1x1", 65, 49),
    ],
)
def test_logits_and_gradients_are_pytorchs(depth, stride_in, height, width):
    ours, theirs = both(depth, stride_in, np.float64)
    x, labels = images(3, height, width, np.float64), np.array([1, 7, 3])
    logits = ours(x)
    F.cross_entropy(logits, labels).backward()
    their_logits = theirs(oracles.to_torch(x))
    oracles.torch.nn.functional.cross_entropy(their_logits, oracles.to_torch(labels)).backward()
    assert difference(logits.data, their_logits.detach().numpy()) < 1e-9
    gradients = {name: p.grad.numpy() for name, p in theirs.named_parameters()}
    for name, p in ours.named_parameters():
        assert difference(p.grad, gradients[name]) < 1e-7, name


@needs_torch
@pytest.mark.parametrize("depth", [18, 50])
def test_running_statistics_and_weights_after_three_steps_are_pytorchs(depth):
    ours, theirs = both(depth, "3x3", np.float64)
    settings = {"lr": 0.01, "momentum": 0.9, "weight_decay": 1e-4}
    a = optim.SGD(ours.parameters(), **settings)
    b = oracles.torch.optim.SGD(theirs.parameters(), **settings)
    for step in range(3):
        x, labels = images(4, 40, 40, np.float64, seed=step), np.array([1, 7, 3, 0])
        a.zero_grad()
        F.cross_entropy(ours(x), labels).backward()
        a.step()
        b.zero_grad()
        loss = oracles.torch.nn.functional.cross_entropy(
            theirs(oracles.to_torch(x)), oracles.to_torch(labels)
        )
        loss.backward()
        b.step()
    for name, array in theirs.state_dict().items():
        if "num_batches_tracked" not in name:
            assert difference(ours.state_dict()[name], array.numpy()) < 1e-6, name


# --- what raises ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ResNet(20), "depth must be one of 18, 34, 50, 101, 152, got 20"),
        (
            lambda: models.resnet50(stride_in="5x5"),
            "3x3 .torchvision. or 1x1 .the paper., got '5x5'",
        ),
        (lambda: models.resnet18(stride_in="x"), "got 'x'"),
        (lambda: models.resnet18(shortcut="D"), "shortcut must be A, B, C or None, got 'D'"),
        (
            lambda: imagenet_net("resnet20"),
            "no net 'resnet20' for large images; there are: resnet18",
        ),
    ],
)
def test_what_there_is_not_raises(make, said):
    with pytest.raises(UsageError, match=said):
        make()


def test_grey_images_raise_by_shape():
    with pytest.raises(ShapeError, match=r"x of shape \(1, 1, 64, 64\)"):
        models.resnet18(num_classes=2)(np.zeros((1, 1, 64, 64), np.float32))
