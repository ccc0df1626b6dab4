"""Every kind of net on a device: what it computes, hands back and keeps is what NumPy's does."""

import copy

import numpy as np
import pytest
from oracles import assert_same
from thin_nets import ThinNet

import minires
from minires import Tensor, models, nn, optim
from minires import functional as F
from minires.backend import backend_name, use
from minires.models.blocks import Bottleneck

NETS = {
    "plain": lambda: models.cifar_net("plain8"),
    "resnet, A": lambda: models.cifar_resnet(8),
    "resnet, B": lambda: models.cifar_resnet(8, "B"),
    "resnet, checkpointed": lambda: models.cifar_resnet(14, checkpoint_every=2),
    "without batch norm": lambda: models.cifar_net("resnet8", norm=nn.Identity),
    "pre-activation": lambda: models.PreactNet(11),
    "for images": lambda: ThinNet(10),
    "bottlenecks": lambda: nn.Sequential(
        Bottleneck(3, 4, 2, "B"), nn.GlobalAvgPool2d(), nn.Linear(16, 10)
    ),
}


def trained(backend, make, dtype=np.float64, steps=2):
    """A net after some steps: its outputs, losses, and everything it holds, by name."""
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(6, 3, 16, 16)), rng.integers(0, 10, 6)
    minires.manual_seed(0)
    with use(backend):
        net = make().to(dtype)
        sgd = optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
        kept = []
        for _ in range(steps):
            logits = net(images.astype(dtype))
            loss = F.cross_entropy(logits, labels)
            net.zero_grad()
            loss.backward()
            sgd.step()
            kept += [logits.numpy(), loss.numpy()]
        assert all(backend_name(t.data) == backend for _, t in net.named_tensors())
        assert all(backend_name(p.grad) == backend for p in net.parameters())
        kept += [p.grad if backend == "numpy" else p.grad.get() for p in net.parameters()]
        kept.append(net.eval()(images.astype(dtype)).numpy())
        return [*kept, *net.state_dict().values()]


@pytest.mark.parametrize("name", NETS)
def test_training_is_that_of_numpy(cupy, name):
    assert_same(trained("cupy", NETS[name]), trained("numpy", NETS[name]), tolerance=1e-9)


def test_initial_weights_are_the_same_on_all_backends(cupy):
    def weights():
        minires.manual_seed(3)
        return models.cifar_resnet(8).state_dict()

    ours = weights()
    with use("cupy"):
        theirs = weights()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_a_net_goes_to_a_backend_and_back(cupy):
    net = models.cifar_resnet(8)
    before = net.state_dict()
    assert net.to(backend="cupy") is net
    assert all(backend_name(t.data) == "cupy" for _, t in net.named_tensors())
    assert all(isinstance(a, np.ndarray) for a in net.state_dict().values())
    net.to(backend="numpy")
    assert all(isinstance(t.data, np.ndarray) for _, t in net.named_tensors())
    assert all(np.array_equal(before[name], a) for name, a in net.state_dict().items())


def test_weights_go_through_files_from_either_backend_to_either(cupy, tmp_path):
    path = tmp_path / "net.safetensors"
    for source, target in (("cupy", "numpy"), ("numpy", "cupy"), ("cupy", "cupy")):
        one, other = models.cifar_resnet(8), models.cifar_resnet(8)
        minires.save_weights(one.to(backend=source), path)
        minires.load_weights(other.to(backend=target), path)
        assert all(backend_name(t.data) == target for _, t in other.named_tensors())
        expected = one.state_dict()
        assert all(np.array_equal(expected[k], a) for k, a in other.state_dict().items())


def test_a_state_of_device_arrays_is_loaded_into_either(cupy):
    net = models.cifar_resnet(8)
    state = {name: cupy.asarray(array) for name, array in net.state_dict().items()}
    for backend in ("numpy", "cupy"):
        other = models.cifar_resnet(8).to(backend=backend)
        other.load_state_dict(state)
        assert all(np.array_equal(state[k].get(), a) for k, a in other.state_dict().items())


def test_a_tensor_goes_to_a_backend_and_back(cupy):
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    y = x.to("cupy")
    assert backend_name(y.data) == "cupy"
    assert y.requires_grad
    assert y.op is None
    back = y.to("numpy")
    assert isinstance(back.data, np.ndarray)
    np.testing.assert_array_equal(back.data, x.data)
    with use("cupy"):  # a tensor of NumPy's can be asked for by name here too
        assert isinstance(y.to("numpy").data, np.ndarray)
        assert isinstance((y.to("numpy") * 2).data, np.ndarray)
        assert isinstance(F.relu(x.detach()).data, np.ndarray)


def test_a_checkpointed_segment_runs_where_its_inputs_are(cupy):
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    with use("cupy"):
        minires.checkpoint(F.relu, x).sum().backward()
    np.testing.assert_array_equal(x.grad, np.ones((2, 3)))


def test_a_tensor_in_a_graph_stays_where_it_is(cupy):
    y = Tensor([1.0], requires_grad=True) * 2
    with pytest.raises(minires.MiniresError, match=r"Mul made this tensor; detach\(\) it"):
        y.to("cupy")
    assert backend_name(y.detach().to("cupy").data) == "cupy"


def test_the_optimisers_state_goes_with_the_net(cupy):
    def after(moves):
        minires.manual_seed(0)
        net = nn.Linear(3, 2).to(np.float64)
        sgd = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        for backend in moves:
            net.to(backend=backend)
            sgd.to(backend)
            x = Tensor(np.arange(6.0).reshape(2, 3)).to(backend)
            net(x).sum().backward()
            sgd.step()
        return net.state_dict()["weight"]

    np.testing.assert_allclose(after(["numpy", "cupy"]), after(["numpy"] * 2), rtol=1e-12)
    net = nn.Linear(3, 2)
    sgd = optim.SGD(net.parameters(), lr=0.1)
    net.to(backend="cupy")
    net(Tensor(np.ones((2, 3), np.float32)).to("cupy")).sum().backward()
    with pytest.raises(
        minires.MiniresError, match="SGD got parameter on cupy and velocity on nump"
    ):
        sgd.step()


def test_a_net_is_copied_where_it_is(cupy):
    net = copy.deepcopy(nn.Linear(3, 2).to(backend="cupy"))
    assert backend_name(net.weight.data) == "cupy"


def test_numbers_and_tensors_are_shown(cupy):
    x = Tensor(cupy.asarray([1.0, 2.0]))
    assert repr(x) == repr(Tensor(np.array([1.0, 2.0])))
    assert x.sum().item() == 3
    np.testing.assert_array_equal(np.asarray(x), [1, 2])
    assert len(x) == 2
