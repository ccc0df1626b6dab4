"""What a module holds: containers, lists that would hide layers, and how it prints."""

import numpy as np
import pytest

import minires
from minires import Tensor, nn, optim
from minires.errors import MissingNameError, RangeError, UsageError
from minires.models.summary import summary as table


class Net(nn.Module):
    """A net that is given its attributes."""

    def __init__(self, **attributes):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward(self, x):
        return self.conv(x)


@pytest.mark.parametrize(
    ("hidden", "words"),
    [
        ([nn.Linear(2, 2)], "has a Linear in the list (0.)?layers"),
        ((nn.ReLU(), nn.Linear(2, 2)), "in the tuple (0.)?layers"),
        ({"a": nn.Linear(2, 2)}, "in the dict (0.)?layers"),
        ([(nn.Linear(2, 2), 1)], "in the list (0.)?layers"),
        ([nn.Parameter([1.0])], "has a Parameter in the list (0.)?layers"),
    ],
)
def test_what_a_list_hides_raises_before_it_is_left_untrained(hidden, words):
    net = Net(layers=hidden)
    uses = (
        lambda: optim.SGD(net.parameters(), 0.1),
        net.state_dict,
        lambda: net.to("float64"),
        net.eval,
        lambda: nn.Sequential(net).zero_grad(),
    )
    for use in uses:
        with pytest.raises(UsageError, match=words) as raised:
            use()
        assert "nn.ModuleList" in str(raised.value)


def test_a_list_filled_later_raises_too():
    net = Net(layers=[])
    net.state_dict()
    net.layers.append(nn.Linear(2, 2))
    with pytest.raises(UsageError, match="not trained"):
        net.parameters().__next__()


def test_a_list_of_what_is_found_elsewhere_is_no_mistake():
    net = Net(sizes=[1, 2], names={"a": "b"}, means=[Tensor([1.0])])
    net.order = [net.conv, (net.conv, net.conv.weight)]
    assert len(list(net.parameters())) == 2
    minires.models.cifar_resnet(8).state_dict()  # whose blocks have such lists


def test_a_module_list_is_found_and_says_that_it_is_not_applied():
    layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(2))
    assert layers.append(nn.ReLU()) is layers
    net = Net(layers=layers)
    assert [n for n, _ in net.named_parameters()][2:] == [
        *("layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"),
    ]
    assert (len(layers), layers[-1] is list(layers)[2]) == (3, True)
    with pytest.raises(UsageError, match=r"nn\.Sequential is"):
        layers(np.ones((1, 2), np.float32))
    with pytest.raises(UsageError, match="ModuleList takes modules, got 3 at index 1"):
        nn.ModuleList([nn.ReLU(), 3])
    with pytest.raises(RangeError, match="3 modules have no index 3"):
        layers[3]


def test_modules_come_once_and_children_under_their_own_names():
    shared = nn.Linear(2, 2)
    net = Net(a=shared, b=shared)
    assert [name for name, _ in net.named_children()] == ["conv", "a", "b"]
    assert len(list(net.children())) == 3
    assert len(list(net.modules())) == 3
    assert [n for n, _ in net.named_parameters()][2:] == ["a.weight", "a.bias"]


def test_a_net_prints_as_a_tree_with_shapes_and_counts():
    net = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ModuleList([nn.BatchNorm2d(16)]), nn.ReLU())
    assert str(net).splitlines() == [
        "Sequential, 480 parameters",
        "  0    Conv2d       weight 16x3x3x3, bias 16                             448",
        "  1    ModuleList                                                         32",
        "    0  BatchNorm2d  weight 16, bias 16, running_mean 16, running_var 16   32",
        "  2    ReLU",
    ]
    assert repr(nn.ReLU()) == "ReLU, 0 parameters"


def test_a_summary_has_what_each_layer_does_and_leaves_the_net_alone():
    net = minires.models.cifar_resnet(8)
    net.layer1.eval()
    before = net.state_dict()
    summary = net.summary((2, 3, 32, 32))
    assert [m.training for m in (net, net.bn1, net.layer1, net.layer2)] == [True, True, False, True]
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert summary.parameters == sum(row.parameters for row in summary.rows) == 75_290
    (conv, *_), (fc,) = (
        [row for row in summary.rows if row.path == path] for path in ("layer2.0.conv1", "fc")
    )
    assert (conv.operations, conv.shape) == (("Conv2d",), (2, 32, 16, 16))
    assert (conv.parameters, conv.macs) == (32 * 16 * 9, 32 * 16 * 16 * 16 * 9)
    assert (fc.shape, fc.macs) == ((2, 10), 640)
    parts = table(net, (3, 32, 32))
    assert summary.macs == sum(stage.macs for stage in parts)
    last = str(summary).splitlines()[-1].split()
    assert last == ["CifarNet", "in", "all", "75,290", f"{summary.macs:,}"]
    batch = np.zeros((2, 3, 32, 32))
    assert net.to("float64").summary(batch) == summary


def test_a_name_that_is_nowhere_is_pythons_own_error():
    for thing in (nn.ReLU(), Tensor([1.0]), optim.SGD([Tensor([1.0], True)], 0.1), minires, nn):
        with pytest.raises(AttributeError, match="no attribute 'colour'") as raised:
            thing.colour  # noqa: B018 - it raises
        assert not isinstance(raised.value, MissingNameError)


def test_dropout_keeps_the_mean_is_random_in_training_alone_and_repeatable():
    x = Tensor(np.ones((100, 100), np.float32), requires_grad=True)
    dropout = nn.Dropout(p=0.2)
    minires.manual_seed(1)
    y = dropout(x)
    y.sum().backward()
    assert set(np.unique(y.numpy())) == {np.float32(0), np.float32(1.25)}
    assert y.numpy().mean() == pytest.approx(1, abs=0.02)
    np.testing.assert_array_equal(x.grad, y.numpy())
    minires.manual_seed(1)
    np.testing.assert_array_equal(dropout(x).numpy(), y.numpy())
    assert not nn.Dropout(1.0)(x).numpy().any()
    assert dropout.eval()(x) is x
