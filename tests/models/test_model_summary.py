"""What a net is made of, against the paper's and torchvision's figures."""

import pytest

from minires import models, nn
from minires.errors import ShapeError, UsageError
from minires.models.summary import compared, summary

# Multiply-adds of a 224x224 image in thousand millions, as torchvision publishes them.
GMACS = {"resnet18": 1.814, "resnet34": 3.664, "resnet50": 4.089}


def totals(stages):
    return sum(s.parameters for s in stages), sum(s.macs for s in stages)


@pytest.mark.parametrize("name", GMACS)
def test_totals_of_large_nets_are_those_that_are_published(name):
    model = getattr(models, name)()
    parameters, macs = totals(summary(model, (3, 224, 224)))
    assert parameters == sum(p.size for p in model.parameters())
    assert macs / 1e9 == pytest.approx(GMACS[name], abs=6e-4)


@pytest.mark.parametrize(
    ("depth", "macs"), [(20, 40.551), (32, 68.863), (44, 97.174), (56, 125.486)]
)
def test_totals_of_nets_for_cifar_are_arithmetics(depth, macs):
    for net in (models.cifar_resnet(depth), models.cifar_plain(depth)):
        parameters, found = totals(summary(net, (3, 32, 32)))
        assert found / 1e6 == pytest.approx(macs, abs=6e-4)
        assert parameters == sum(p.size for p in net.parameters())


def test_stages_are_the_papers():
    stages = summary(models.resnet34(), (3, 224, 224))
    sizes = {s.name: s.parts[-1].shape[1:] for s in stages if len(s.parts[-1].shape) == 3}
    assert sizes == {
        "conv1": (112, 112),
        "bn1": (112, 112),
        "maxpool": (56, 56),
        "conv2_x": (56, 56),
        "conv3_x": (28, 28),
        "conv4_x": (14, 14),
        "conv5_x": (7, 7),
    }
    assert [len(s.parts) for s in stages if s.name.endswith("_x")] == [3, 4, 6, 3]
    assert stages[-1].parts[0].layers == ("512 to 1000",)


def shortcuts(model, stage, image=(3, 64, 64)):
    found = next(s for s in summary(model, image) if s.name == stage)
    return [part.shortcut for part in found.parts]


def test_shortcuts_are_marked():
    assert shortcuts(models.resnet18(), "conv2_x") == ["identity", "identity"]
    assert shortcuts(models.resnet18(), "conv3_x") == ["projection", "identity"]
    assert shortcuts(models.resnet50(), "conv2_x") == ["projection", "identity", "identity"]
    assert shortcuts(models.resnet18(shortcut="A"), "conv3_x") == ["zero channels", "identity"]
    assert shortcuts(models.resnet18(shortcut="C"), "conv2_x") == ["projection", "projection"]
    assert shortcuts(models.plain18(), "conv3_x") == ["", ""]


def test_layers_and_strides_in_words():
    (first, *_) = next(
        s for s in summary(models.resnet50(), (3, 64, 64)) if s.name == "conv3_x"
    ).parts
    assert first.layers == ("1x1, 128", "3x3, 128, stride 2", "1x1, 512")
    assert first.path == "layer2.0"
    old = summary(models.resnet50(stride_in="1x1"), (3, 64, 64))
    assert old[4].parts[0].layers == ("1x1, 128, stride 2", "3x3, 128", "1x1, 512")


def test_the_bottlenecks_arithmetic():
    blocks = compared()
    assert blocks["basic"].parameters == 1_179_648
    assert blocks["bottleneck"].parameters == 69_632
    assert blocks["basic"].macs == 1_179_648 * 56 * 56
    assert blocks["bottleneck"].macs == 69_632 * 56 * 56


def test_a_net_is_left_as_it_was():
    net = models.cifar_resnet(8)
    before = net.state_dict()
    summary(net, (3, 32, 32))
    assert net.training
    assert all((before[name] == a).all() for name, a in net.state_dict().items())
    with pytest.raises(ShapeError):
        summary(net.eval(), (1, 32, 32))
    assert not net.training


def test_any_sequence_of_layers_can_be_summed_up():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.GlobalAvgPool2d(), nn.Linear(2, 5))
    stages = summary(net, (1, 5, 5))
    assert [s.name for s in stages] == ["0", "1", "2", "3"]
    assert totals(stages) == (2 * 9 + 2 + 2 * 5 + 5, 2 * 9 * 9 + 10)


def test_an_image_that_is_none_raises():
    with pytest.raises(UsageError, match="channels, height and width"):
        summary(models.cifar_resnet(8), (3, 0, 32))
