"""Checkpoints of training scripts, written by `torch.save`: what is read, found and passed over."""

import argparse
import collections
import datetime
import pathlib
import warnings

import numpy as np
import pytest
from oracles import needs_torch, torch
from pth_files import call, name, number, plain, state_dict, storage, tensor, write

from minires import load_weights, nn
from minires.errors import DataError, StateDictError, UsageError
from minires.weights.loading import first_and_last, stored_tensors
from minires.weights.torch_names import INERT, NUMBERS


class Net(nn.Module):
    """Two layers, as `weights` has them."""

    def __init__(self):
        self.body = nn.Linear(4, 2)
        self.fc = nn.Linear(2, 3)


def weights(prefix="", of=lambda array: torch.from_numpy(array)):
    chance = np.random.default_rng(0)
    shapes = {k: v.shape for k, v in Net().state_dict().items()}
    state = {k: chance.standard_normal(shape, dtype=np.float32) for k, shape in shapes.items()}
    return {f"{prefix}{k}": of(v) for k, v in state.items()}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.pth"


def loaded(path, saved, **how):
    """Save it, and load it into a net; returns the notices, after comparing the weights."""
    torch.save(saved, path)
    net = Net()
    report = load_weights(net, path, **how)
    assert report.fits()
    return list(report.notices), net


# --- beside the tensors -------------------------------------------------------------------


def attributed(tensor):
    tensor.note = "x"
    return tensor


def inert():
    """What PyTorch reads with weights_only=True and is no tensor of numbers, by its word here."""
    ones = torch.ones(2, 2)
    return {
        "Counter": collections.Counter([80, 120, 120]),
        "Size": torch.Size([2, 3]),
        "device": torch.device("cuda", 1),
        "dtype": torch.float32,
        "float8_e4m3fn": torch.float8_e4m3fn,
        "set": {1, 2},
        "bytes": b"\x80\x02",
        "bytearray": bytearray(b"x"),
        "complex": 1j,
        "layout": torch.strided,
        "dict": attributed(collections.OrderedDict([(1, 2), ((3, 4), 5)])),
        "per_tensor_affine": torch.per_tensor_affine,
        "ComplexFloatStorage": ones.to(torch.complex64),
        "sparse tensor": ones.to_sparse(),
        "quantized tensor": torch.quantize_per_tensor(ones, 0.1, 0, torch.qint8),
        "tensor without numbers": torch.ones(2, device="meta"),
        "conjugate or negated view": ones.to(torch.complex64).conj().imag,
    }


def inert_elsewhere():
    """What PyTorch does not read so, and scripts save nevertheless."""
    return {
        "Namespace": argparse.Namespace(lr=0.1, out=pathlib.Path("x"), seeds=[1, 2]),
        "NumPy scalar": np.float64(0.5),
        "NumPy array": np.arange(3),
        "defaultdict": collections.defaultdict(list, {1: [2]}),
        "frozenset": frozenset([1]),
        "PosixPath": pathlib.PurePosixPath("/x"),
        "TorchVersion": torch.__version__,
        "deque": collections.deque([1]),
        "datetime": datetime.datetime(2015, 12, 10),
    }


@needs_torch
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_what_is_inert_is_passed_over_by_its_kind(path, protocol):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, that quantization goes elsewhere
        values = {**inert(), **inert_elsewhere()}
    del values["PosixPath"]  # which is a PurePosixPath that opens files
    for kind, value in values.items():
        torch.save({"w": torch.ones(1), "other": value}, path, pickle_protocol=protocol)
        tensors, passed_over = stored_tensors(path)
        assert list(tensors) == ["w"]
        assert passed_over == [f"'other' is no tensor ({kind})"]


@needs_torch
def test_pytorch_reads_these_too(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for value in inert().values():
            torch.save({"w": torch.ones(1), "other": value}, path)
            assert torch.load(path, weights_only=True)["w"] == 1


@needs_torch
def test_every_name_that_pytorch_reads_is_known():
    from torch._weights_only_unpickler import _get_allowed_globals

    calls = {
        "collections.OrderedDict",
        "torch._tensor._rebuild_from_type_v2",
        "torch._utils._rebuild_device_tensor_from_cpu_tensor",
        *(f"torch._utils._rebuild_{what}" for what in ("parameter", "parameter_with_state")),
        *(f"torch._utils._rebuild_tensor{version}" for version in ("", "_v2", "_v3")),
    }
    assert {*_get_allowed_globals()} <= {*INERT, *NUMBERS, *calls}
    assert not {*INERT} & {*NUMBERS}


@needs_torch
def test_tensors_in_all_wrappings_are_what_pytorch_saved(path):
    numbers = torch.arange(6.0).reshape(2, 3)
    parameter = attributed(torch.nn.Parameter(numbers.T))
    saved = {
        "attributes": attributed(numbers[:, 1:]),
        "parameter": parameter,
        "buffer": torch.nn.Buffer(numbers + 1),
        **{f"uint{n}": (numbers * 9999).to(getattr(torch, f"uint{n}")) for n in (16, 32, 64)},
        "a view of uint16": numbers.to(torch.uint16)[1, 1:],
    }
    torch.save(saved, path)
    tensors, passed_over = stored_tensors(path)
    assert passed_over == []
    for key, expected in saved.items():
        np.testing.assert_array_equal(np.asarray(tensors[key]), expected.detach().numpy())
        assert tensors[key].dtype == expected.detach().numpy().dtype


BYTES = storage(kind=("torch.storage", "UntypedStorage"), count=24)


def v3(of, dtype, shape=(3,), offset=0):
    hooks = name("collections", "OrderedDict") + b")R"
    arguments = of, number(offset), plain(shape), plain((1,) * len(shape)), b"\x89", hooks, dtype
    return call(("torch._utils", "_rebuild_tensor_v3"), *arguments)


def wrapped(times):
    entry, rebuild = tensor(), name("torch._tensor", "_rebuild_from_type_v2")
    for _ in range(times):
        entry = rebuild + b"(" + rebuild + name("torch", "Tensor") + b"(" + entry + b"tNtR"
    return entry


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (v3(BYTES, name("torch", "uint16"), (13,)), "is no part of its storage of 12 numbers"),
        (v3(BYTES, name("torch", "uint64"), (3,), 1), "is no part of its storage of 3 numbers"),
        (v3(BYTES, plain(7)), "describes a tensor without storage, or without dtype"),
        (v3(plain(7), name("torch", "uint16")), "without storage, or without dtype"),
        (wrapped(1), "has a tensor in another"),
        (wrapped(5000), "has a tensor in another|needs|holds a damaged pickle"),
        (call(("torch._tensor", "_rebuild_from_type_v2"), *[plain(1)] * 4), "int is not callable"),
    ],
)
def test_what_describes_no_tensor_raises(path, entry, said):
    write(path, state_dict(w=entry))
    with pytest.raises(DataError, match=said):
        stored_tensors(path)


# --- keys ---------------------------------------------------------------------------------


@needs_torch
@pytest.mark.parametrize(
    "key",
    ["state_dict", "model", "net", "weights", "state_dict_ema", "model_state", "anything", "a.b.c"],
)
def test_a_key_is_found(path, key):
    outer, *inner = key.split(".")
    saved = weights()
    for part in reversed(inner):
        saved = {part: saved, "n": 3}
    net = torch.nn.Linear(2, 3)
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 4])
    beside = {"optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}
    notices, loaded_net = loaded(path, {outer: saved, **beside})
    assert notices[0] == (
        f"the tensors are those under '{key}'; 'optimizer', 'schedule' beside it: passed over"
    )
    for key, array in weights(of=np.asarray).items():
        np.testing.assert_array_equal(loaded_net.state_dict()[key], array)


@needs_torch
@pytest.mark.parametrize(
    ("keys", "meant"),
    [
        (("state_dict_ema", "state_dict"), "state_dict"),
        (("model", "state_dict"), "state_dict"),
        (("discriminator", "net"), "net"),
        (("a.model", "a.ema"), "a.model"),
        (("", "backbone"), ""),
        (("", "net"), "net"),
        (("student", "teacher"), None),
        (("g.model", "d.model"), None),
    ],
)
def test_of_several_keys_the_usual_one_is_meant_or_none(path, keys, meant):
    saved = {}
    for value, key in enumerate(keys):
        entries = saved
        for part in filter(None, key.split(".")):
            entries = entries.setdefault(part, {})
        entries["w"] = torch.tensor([float(value)])
    torch.save(saved, path)
    for key in filter(None, keys):  # by name, each can be read
        tensors, _ = stored_tensors(path, key)
        assert np.asarray(tensors["w"]) == keys.index(key)
    if meant is not None:
        assert np.asarray(stored_tensors(path)[0]["w"]) == keys.index(meant)
        return
    with pytest.raises(UsageError, match=f"several state dicts; name one of '{keys[0]}'"):
        stored_tensors(path)


@needs_torch
def test_a_number_beside_the_tensors_is_not_taken_for_them(path):
    notices, _ = loaded(path, {"encoder": weights(), "step": torch.tensor(3)})
    assert notices[0] == "the tensors are those under 'encoder'; 'step' beside it: passed over"


@needs_torch
def test_a_key_that_is_not_there_is_named_with_those_that_are(path):
    torch.save({"net": weights(), "ema": weights(), "epoch": 3}, path)
    with pytest.raises(UsageError) as caught:
        load_weights(Net(), path, key="epoch")
    assert str(caught.value) == (
        f"{path} has no tensors under 'epoch'; name one of 'net', 'ema' with --key (key= in Python)"
    )
    with pytest.raises(UsageError, match="key must be text or None, got a list"):
        load_weights(Net(), path, key=[])
    (path.parent / "w.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}")
    with pytest.raises(UsageError, match=r"w\.safetensors is a safetensors file, which has no 'x'"):
        load_weights(Net(), path.parent / "w.safetensors", key="x")


def test_dicts_in_dicts_that_do_not_end_are_not_looked_through(path):
    """A dict in itself under 300 names, and one 5,000 deep."""
    itself = b"}q\x00(" + b"".join(plain(f"a{i}").split(b"q")[0] + b"h\x00" for i in range(300))
    deep = (b"}" + plain("a").split(b"q")[0]) * 5000 + tensor() + b"s" * 5000
    write(path, itself + plain("net") + state_dict(w=tensor()) + plain("deep") + deep + b"u")
    assert list(stored_tensors(path)[0]) == ["w"]


def test_few_of_the_many_other_entries_are_named(path):
    write(path, state_dict(w=tensor(), **{f"n{i}": plain(i) for i in range(5000)}))
    _, passed_over = stored_tensors(path)
    assert passed_over[7:] == ["'n7' is no tensor (int)", "4992 more entries are no tensors"]
    write(path, state_dict(net=state_dict(w=tensor()), **{"n" * 999: plain(1)}))
    assert all(len(sentence) < 200 for sentence in stored_tensors(path)[1])


# --- prefixes -----------------------------------------------------------------------------


@needs_torch
@pytest.mark.parametrize("prefix", ["module.", "module._orig_mod.", "_orig_mod.", "a.b.c.d."])
def test_a_prefix_of_all_names_is_taken_off(path, prefix):
    notices, net = loaded(path, weights(prefix))
    assert notices == [f"the tensors are those whose names begin with '{prefix}'"]
    for key, array in weights(of=np.asarray).items():
        np.testing.assert_array_equal(net.state_dict()[key], array)


@needs_torch
def test_a_prefix_beside_the_weights_of_a_loss(path):
    """As Lightning saves a module that has the model, a loss and a metric."""
    beside = {"loss.weight": torch.ones(3), "metric.count": torch.tensor(3)}
    notices, _ = loaded(path, {"state_dict": {**weights("model."), **beside}, "epoch": 3})
    assert notices[1] == (
        "the tensors are those whose names begin with 'model.'; "
        "'loss.weight', 'metric.count' beside them: passed over"
    )


@needs_torch
@pytest.mark.parametrize("strict", [True, False])
def test_several_prefixes_that_fit_are_named(path, strict):
    torch.save({**weights("model."), **weights("ema.model.")}, path)
    said = "names fit after each of 'model.', 'ema.model.': say which one is to be taken off, as "
    if strict:
        with pytest.raises(StateDictError, match=said):
            load_weights(Net(), path)
    else:
        assert load_weights(Net(), path, strict=False).notices[0].startswith(said)
    net = Net()
    report = load_weights(
        net, path, rename={"ema.model.": "x.y.z.z.z.z.", "model.": ""}, strict=False
    )
    assert not report.missing


@needs_torch
def test_no_prefix_is_taken_off_for_few_names(path):
    torch.save({"other.fc.bias": torch.ones(3), "other.x": torch.ones(1)}, path)
    report = load_weights(Net(), path, strict=False)
    assert report.unexpected == ("other.fc.bias", "other.x")
    assert report.notices == ()


def test_the_ends_of_a_net_are_found_after_any_prefix(path):
    entries = {
        "m.layer1.0.conv1.weight": tensor((1, 6, 1, 1), (6, 1, 1, 1)),
        "m.conv1.weight": tensor((2, 3, 1, 1), (3, 1, 1, 1)),
        "m.fc.weight": tensor((3, 2), (2, 1)),
    }
    assert first_and_last(stored_tensors(write(path, state_dict(**entries)))[0]) == (3, 3)
    assert first_and_last({}) == (None, None)
