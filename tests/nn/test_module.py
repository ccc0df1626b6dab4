"""Modules: names, modes, types, and weights in and out."""

import numpy as np
import pytest
from oracles import needs_torch, torch

from minires import Tensor, load_weights, models, nn, save_weights
from minires.errors import DataError, DTypeError, MiniresError, StateDictError


class Small(nn.Module):
    """A module with a parameter, a buffer, a child, and things that are none of them."""

    def __init__(self):
        self.scale = nn.Parameter(np.full(2, 3, np.float32))
        self.seen = Tensor(np.zeros(1, np.float32))
        self.body = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2, bias=False))
        self.label = "small"
        self.nothing = None

    def forward(self, x):
        return self.body(x) * self.scale


KEYS = ["scale", "seen", "body.0.weight", "body.0.bias", "body.2.weight"]


def test_what_is_inside_and_what_it_is_called():
    net = Small()
    assert [name for name, _ in net.named_tensors()] == KEYS
    assert [name for name, _ in net.named_parameters()] == [k for k in KEYS if k != "seen"]
    assert list(net.parameters()) == [p for _, p in net.named_parameters()]
    paths = [path for path, _ in net.named_modules()]
    assert paths == ["", "body", "body.0", "body.1", "body.2"]
    assert list(net.state_dict()) == KEYS


def test_a_parameter_requires_a_gradient_and_floats():
    assert nn.Parameter(np.ones(2, np.float32)).requires_grad
    with pytest.raises(MiniresError):
        nn.Parameter(np.ones(2, int))


def test_zero_grad_forgets_all_gradients():
    net = Small()
    net(np.ones((3, 2), np.float32)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_train_and_eval_reach_every_module():
    net = models.cifar_resnet(8)
    assert all(m.training for _, m in net.named_modules())
    assert net.eval() is net
    assert not any(m.training for _, m in net.named_modules())
    assert net.train() is net
    assert all(m.training for _, m in net.named_modules())
    assert nn.ReLU().training, "the mode of one net is another's too"


def test_a_module_takes_arrays_and_lists():
    assert isinstance(nn.ReLU()([1.0, -1.0]), Tensor)
    assert Small()(np.ones((3, 2), np.float32)).shape == (3, 2)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_to_converts_everything_and_drops_gradients(dtype):
    net = Small()
    net(np.ones((3, 2), np.float32)).sum().backward()
    before = net.state_dict()
    assert net.to(dtype) is net
    assert {t.dtype for _, t in net.named_tensors()} == {np.dtype(dtype)}
    assert all(p.grad is None for p in net.parameters())
    assert all((v == before[k]).all() for k, v in net.state_dict().items())
    y = net(np.ones((3, 2), dtype))
    y.sum().backward()
    assert y.dtype == dtype
    assert all(p.grad.dtype == dtype for p in net.parameters())


@pytest.mark.parametrize("dtype", [int, bool, np.float16, complex, np.longdouble, "S4", object])
@pytest.mark.parametrize("named", [False, True])
def test_to_a_type_without_gradients_raises_and_changes_nothing(dtype, named):
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm2d(2))
    before = net.state_dict()
    with pytest.raises(DTypeError, match="only float32 and float64"):
        net.to(dtype=dtype) if named else net.to(dtype)
    for name, a in net.state_dict().items():
        np.testing.assert_array_equal(a, before[name])
        assert a.dtype == np.float32


def test_to_leaves_integers_alone():
    net = nn.Linear(2, 2)
    net.seen = Tensor(np.array([2**53 + 1]))
    net.to(np.float64)
    assert net.weight.dtype == np.float64
    assert net.seen.data.tolist() == [2**53 + 1]


def test_to_a_backend():
    net = Small().to(backend="numpy")
    assert all(isinstance(t.data, np.ndarray) for _, t in net.named_tensors())
    with pytest.raises(MiniresError, match="backend 'abacus' is not known"):
        net.to(backend="abacus")


# --- state dicts --------------------------------------------------------------------------


def test_a_state_dict_holds_copies():
    net = Small()
    state = net.state_dict()
    state["scale"][:] = 7
    assert net.scale.data.tolist() == [3, 3]
    net.load_state_dict(state)
    state["scale"][:] = 9
    assert net.scale.data.tolist() == [7, 7]


def test_round_trip():
    a, b = models.cifar_resnet(8, "B"), models.cifar_resnet(8, "B")
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)
    a(x)  # moves the running statistics
    assert b.load_state_dict(a.state_dict()) == nn.LoadReport()
    for (name, p), q in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        np.testing.assert_array_equal(p, q, err_msg=name)
    np.testing.assert_array_equal(a.eval()(x).data, b.eval()(x).data)


def test_loading_keeps_the_type_the_array_and_its_users():
    net = Small()
    data = net.scale.data
    state = {k: v.astype(np.float64) for k, v in net.state_dict().items()}
    state["scale"] = [5, 6]
    net.load_state_dict(state)
    assert net.scale.data is data
    assert data.dtype == np.float32
    assert data.tolist() == [5, 6]


REFUSED = {
    "missing": (lambda s: s.pop("body.0.bias"), "body.0.bias is missing"),
    "unexpected": (lambda s: s.update(extra=np.ones(1)), "extra is not in the model"),
    "shape": (
        lambda s: s.update({"body.0.weight": np.ones((2, 4))}),
        r"body.0.weight has shape \(2, 4\), the model's has \(4, 2\)",
    ),
    "a size of 1": (
        lambda s: s.update(scale=np.ones(1)),
        r"scale has shape \(1,\), the model's has \(2,\)",
    ),
}


@pytest.mark.parametrize("change", REFUSED)
def test_strict_raises_before_anything_is_copied(change):
    net = Small()
    state = {k: v + 1 for k, v in net.state_dict().items()}
    alter, said = REFUSED[change]
    alter(state)
    before = net.state_dict()
    with pytest.raises(StateDictError, match=f"the weights do not fit the model: {said}"):
        net.load_state_dict(state)
    assert all((v == before[k]).all() for k, v in net.state_dict().items())


def test_not_strict_copies_what_fits_and_reports_the_rest():
    net = Small()
    state = {k: v + 1 for k, v in net.state_dict().items()}
    for alter, _ in (REFUSED["missing"], REFUSED["unexpected"], REFUSED["shape"]):
        alter(state)
    before = net.state_dict()
    mismatch = nn.Mismatch("body.0.weight", (2, 4), np.dtype(np.float64), (4, 2))
    report = net.load_state_dict(state, strict=False)
    assert report == nn.LoadReport(("body.0.bias",), ("extra",), (mismatch,))
    assert list(report) == [
        "body.0.bias is missing",
        "extra is not in the model",
        "body.0.weight has shape (2, 4), the model's has (4, 2)",
    ]
    assert str(report) == "; ".join(report)
    after = net.state_dict()
    assert {k for k in before if (before[k] != after[k]).any()} == {
        "scale",
        "seen",
        "body.2.weight",
    }


def test_a_long_list_of_problems_is_cut():
    with pytest.raises(StateDictError, match="and 62 more") as refusal:
        models.cifar_resnet(14).load_state_dict({}, strict=True)
    assert str(refusal.value).count("is missing") == 5


def test_a_report_fits_except_for_names_that_begin_so():
    mismatch = nn.Mismatch("fc.weight", (5, 2), np.dtype(np.float32), (3, 2))
    others = nn.Mismatch("body.weight", (5, 2), np.dtype(bool), (5, 2))
    assert nn.LoadReport(notices=("'epoch' is no tensor (int)",)).fits()
    report = nn.LoadReport(("fc.bias",), ("fc.scale",), (mismatch,))
    assert report.fits(except_for="fc.")
    assert not report.fits(except_for="fc.b")
    assert not report.fits()
    for entries in ({"missing": ("body.b",)}, {"unexpected": ("b",)}, {"mismatched": (others,)}):
        assert not nn.LoadReport(**entries).fits(except_for="fc.")
    both = nn.LoadReport(("fc.bias", "body.weight"), mismatched=(mismatch, others))
    assert both.describe(except_for="fc.") == (
        "body.weight is missing; body.weight holds bool, not numbers"
    )


def test_a_report_is_true_where_there_is_something_to_say():
    assert not nn.LoadReport()
    assert str(nn.LoadReport()) == "all weights were loaded"
    for report in (nn.LoadReport(("a",)), nn.LoadReport(notices=("'epoch' is no tensor (int)",))):
        assert report
        assert len(report) == len(list(report)) == 1
        assert str(report) == next(iter(report))


def test_an_array_that_is_read_on_demand_is_read_when_it_is_copied():
    class Deferred:
        shape, dtype, reads = (2,), np.dtype(np.float64), 0

        def __array__(self, dtype=None, copy=None):
            self.reads += 1
            return np.array([5, 6], dtype)

    net = Small()
    state = net.state_dict() | {"scale": Deferred(), "extra": Deferred()}
    with pytest.raises(StateDictError, match="extra is not in the model"):
        net.load_state_dict(state)
    assert state["scale"].reads == 0
    net.load_state_dict(state, strict=False)
    assert (state["scale"].reads, state["extra"].reads) == (1, 0)
    assert net.scale.data.tolist() == [5, 6]


def test_num_batches_tracked_is_passed_over():
    net = models.cifar_resnet(8)
    state = net.state_dict() | {"bn1.num_batches_tracked": np.array(3)}
    assert net.load_state_dict(state) == nn.LoadReport()


# --- files --------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    """A file with weights of 1 more than a Small starts with, and those weights."""
    net = Small()
    net.load_state_dict({k: v + 1 for k, v in net.state_dict().items()})
    save_weights(net, tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors", net.state_dict()


def test_a_file_gives_back_what_was_saved(saved):
    path, state = saved
    net = Small()
    assert load_weights(net, str(path)) == nn.LoadReport()
    assert all((v == state[k]).all() for k, v in net.state_dict().items())
    assert list(path.parent.iterdir()) == [path], "something was left beside it"


def test_safetensors_itself_reads_the_file(saved):
    from safetensors.numpy import load_file

    path, state = saved
    read = load_file(path)
    assert read.keys() == state.keys()
    assert all((read[k] == v).all() for k, v in state.items())


def test_saving_replaces_the_file(saved):
    path, _ = saved
    net = Small()
    save_weights(net, path)
    other = Small()
    load_weights(other, path)
    assert (other.state_dict()["body.0.weight"] == net.state_dict()["body.0.weight"]).all()


def test_a_file_of_another_model_raises(saved):
    with pytest.raises(StateDictError, match=r"conv1\.weight is missing"):
        load_weights(models.cifar_resnet(8), saved[0])
    report = load_weights(models.cifar_resnet(8), saved[0], strict=False)
    assert "scale" in report.unexpected


@pytest.mark.parametrize("kept", [0, 4, 8, 20, 100, -1])
def test_a_file_cut_short_raises(saved, kept):
    path, _ = saved
    path.write_bytes(path.read_bytes()[:kept])
    net = Small()
    before = net.state_dict()
    with pytest.raises(DataError, match=r"w\.safetensors is not a whole safetensors file"):
        load_weights(net, path)
    assert all((v == before[k]).all() for k, v in net.state_dict().items())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"garbage", "not a whole safetensors file, nor a zip file of torch.save"),
        (b"\xff" * 1000, "not a whole safetensors file, nor a zip file of torch.save"),
        (b"\x80\x04K\x01.", "a bare pickle"),
        (b"PK\x03\x04", "not a whole file of torch.save"),
    ],
)
def test_a_file_of_something_else_raises(tmp_path, content, said):
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"other is {said}"):
        load_weights(Small(), path)


def test_no_file_raises(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(DataError, match="there is no weights file"):
            load_weights(Small(), path)


def test_saving_where_there_is_no_folder_leaves_nothing(tmp_path):
    with pytest.raises(DataError, match="none/w cannot be written: No such file"):
        save_weights(Small(), tmp_path / "none" / "w")
    assert list(tmp_path.iterdir()) == []


@needs_torch
def test_the_weights_of_pytorch_are_taken_as_they_are():
    torch.manual_seed(0)
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.BatchNorm2d(4),
        torch.nn.Flatten(),
        torch.nn.Linear(16, 2),
    )

    class Flatten(nn.Module):
        def forward(self, x):
            return x.flatten(1)

    ours = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), Flatten(), nn.Linear(16, 2))
    assert ours.load_state_dict(theirs.state_dict()) == nn.LoadReport()
    x = np.random.default_rng(0).normal(size=(5, 3, 4, 4)).astype(np.float32)
    expected = theirs(torch.from_numpy(x)).detach().numpy()
    assert np.abs(ours(x).numpy() - expected).max() < 1e-5
    back = {name: torch.from_numpy(array) for name, array in ours.state_dict().items()}
    report = theirs.load_state_dict(back, strict=False)
    assert report.unexpected_keys == []


def test_a_parameter_used_in_two_places_comes_once():
    net = Small()
    net.again = net.body
    names = [name for name, _ in net.named_parameters()]
    assert names == ["scale", "body.0.weight", "body.0.bias", "body.2.weight"]


def test_what_is_no_number_raises_before_anything_is_copied():
    net = Small()
    state = {**net.state_dict(), "body.2.weight": np.full((2, 4), "x")}
    state["scale"] = np.zeros(2)
    with pytest.raises(StateDictError, match=r"body\.2\.weight holds <U1, not numbers"):
        net.load_state_dict(state)
    assert net.scale.numpy().tolist() == [3, 3]
