"""Weights into models: by the file's content, under other names, in little memory."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from oracles import needs_torch, torch
from pth_files import plain, state_dict, tensor, write

from minires import load, load_weights, nn, save, save_weights
from minires.errors import DataError, StateDictError, UsageError
from minires.weights.loading import renamed, stored_tensors
from minires.weights.safetensors_file import read_tensors, write_tensors


class Net(nn.Module):
    """A body and a last layer of so many classes."""

    def __init__(self, classes=3):
        self.body = nn.Linear(4, 2)
        self.fc = nn.Linear(2, classes)


def state(classes=3):
    """Weights of a Net that are not those it starts with."""
    return {k: v + 1 for k, v in Net(classes).state_dict().items()}


def safetensors(path, tensors):
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(array) for name, array in tensors.items()}, path)
    return path


def pth(path, tensors):
    torch.save({name: torch.from_numpy(array) for name, array in tensors.items()}, path)
    return path


WRITERS = [safetensors, pytest.param(pth, marks=needs_torch)]


@pytest.fixture(params=WRITERS)
def file_of(request, tmp_path):
    """Writes tensors to a file whose name says nothing of its kind."""
    return lambda tensors: request.param(tmp_path / "weights", tensors)


def test_load_returns_what_any_file_of_weights_holds(file_of):
    tensors = state()
    loaded = load(file_of(tensors))
    assert sorted(loaded) == sorted(tensors)
    for name, array in tensors.items():
        np.testing.assert_array_equal(loaded[name], array)
    net = Net()
    net.load_state_dict(loaded)
    assert holds(net, tensors)


def test_save_writes_arrays_by_name_and_nothing_else(tmp_path):
    tensors = {"w": np.arange(6.0).reshape(2, 3).T, "n": np.array(3)}
    save(tensors, tmp_path / "w.safetensors")
    for name, array in load(tmp_path / "w.safetensors").items():
        np.testing.assert_array_equal(array, tensors[name])
        assert array.dtype == tensors[name].dtype
    for wrong in (Net(), [1], {"w": 1.0}, {1: np.ones(1)}):
        with pytest.raises(UsageError, match=r"arrays by name, such as model\.state_dict\(\), got"):
            save(wrong, tmp_path / "x")
    with pytest.raises(DataError, match="cannot be written"):
        save(tensors, tmp_path)


def test_save_keeps_dictionaries_and_what_is_beside_arrays(tmp_path):
    """A dictionary of a training: the net's weights are found in it."""
    path, tensors = tmp_path / "run", state()
    others = {"epoch": 3, "error": np.float64(0.1), "best": None, "nets": ["a", 2], "schedule": {}}
    save({"model": tensors, "optimizer": {"lr": 0.1, "velocity.0": np.ones(2)}, **others}, path)
    loaded = load(path)
    assert holds_arrays(loaded.pop("model"), tensors)
    assert loaded.pop("optimizer").pop("velocity.0").tolist() == [1, 1]
    assert loaded == others
    net = Net()
    notices = load_weights(net, path).notices
    assert holds(net, tensors)
    assert "'optimizer.velocity.0' beside them: passed over" in notices[0]


def holds_arrays(own, tensors):
    return own.keys() == tensors.keys() and all((own[n] == a).all() for n, a in tensors.items())


def test_what_save_cannot_keep_raises(tmp_path):
    one = np.ones(1)
    for wrong in ({"w": [one]}, {"a": {1: one}}, {"w": one, "f": print}, {"w": one, "n": Net()}):
        with pytest.raises(UsageError, match="; dictionaries of such may be in one"):
            save(wrong, tmp_path / "x")
    with pytest.raises(UsageError, match=r"two arrays have the same name .*, such as a\.b"):
        save({"a.b": one, "a": {"b": one}}, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [3, [3], [[["w", "x"]]], [[[]]], [[["w"]], [["w", "x"], 3]]])
def test_a_list_of_contents_that_was_altered_raises(content, tmp_path):
    write_tensors(tmp_path / "x", {"w": np.ones(1)}, {"content": content})
    with pytest.raises(DataError, match="was altered"):
        load(tmp_path / "x")


def holds(net, tensors):
    own = net.state_dict()
    return all((own[name] == array).all() for name, array in tensors.items())


def test_the_content_says_what_a_file_is(file_of):
    net, tensors = Net(), state()
    before = net.body.weight.data
    assert load_weights(net, file_of(tensors)) == nn.LoadReport()
    assert holds(net, tensors)
    assert net.body.weight.data is before


def test_a_file_of_another_type_is_converted_tensor_by_tensor(file_of):
    net = Net()
    load_weights(net, file_of({k: v.astype(np.float64) for k, v in state().items()}))
    assert all(t.dtype == np.float32 for _, t in net.named_tensors())
    net = Net().to(np.float64)
    load_weights(net, file_of(half := {k: v.astype(np.float16) for k, v in state().items()}))
    assert holds(net, half)
    assert all(t.dtype == np.float64 for _, t in net.named_tensors())


# --- names --------------------------------------------------------------------------------


def test_a_prefix_and_a_last_layer_of_another_name(file_of):
    tensors = state()
    theirs = {f"module.{k.replace('fc.', 'classifier.')}": v for k, v in tensors.items()}
    net, path = Net(), file_of(theirs)
    assert load_weights(net, path, rename={"module.": "", "classifier.": "fc."}) == nn.LoadReport()
    assert holds(net, tensors)
    net = Net()
    skipped = load_weights(net, path, rename={"module.": "", "other.": "fc."}, strict=False)
    assert sorted(skipped.unexpected) == ["classifier.bias", "classifier.weight"]
    assert skipped.missing == ("fc.weight", "fc.bias")
    assert not skipped.mismatched
    assert not skipped.notices
    assert holds(net, {k: v for k, v in tensors.items() if k.startswith("body.")})


def test_only_the_beginning_of_a_name_is_renamed():
    tensors = {"a.a.w": 1, "b.a.w": 2}
    assert renamed(tensors, {"a.": ""}, "f") == {"a.w": 1, "b.a.w": 2}
    assert renamed(tensors, {"a.": "c.", "c.": "d."}, "f") == {"d.a.w": 1, "b.a.w": 2}
    assert renamed(tensors, {"": "net."}, "f") == {"net.a.a.w": 1, "net.b.a.w": 2}


def test_two_tensors_of_one_name_raise(file_of):
    path = file_of({"module.fc.bias": np.ones(3), "fc.bias": np.ones(3)})
    with pytest.raises(DataError, match=r"weights: two tensors would be named 'fc\.bias'$"):
        load_weights(Net(), path, rename={"module.": ""})


def test_an_unasked_prefix_is_taken_off_and_said(file_of):
    tensors = state()
    net = Net()
    report = load_weights(net, file_of({f"module.{k}": v for k, v in tensors.items()}))
    assert report.notices == ("the tensors are those whose names begin with 'module.'",)
    assert report.fits()
    assert holds(net, tensors)


def test_what_differs_after_a_prefix_is_said_with_it(file_of):
    net = Net()
    before = net.state_dict()
    path = file_of({f"module.{k}": v for k, v in state(classes=5).items()})
    with pytest.raises(StateDictError) as refusal:
        load_weights(net, path)
    assert str(refusal.value) == (
        f"{path}: the weights do not fit the model: "
        "fc.weight has shape (5, 2), the model's has (3, 2); "
        "fc.bias has shape (5,), the model's has (3,); "
        "the tensors are those whose names begin with 'module.'"
    )
    assert holds(net, before)


@pytest.mark.parametrize("names", [["module.x"], ["body.weight", "module.body.bias"]])
def test_no_prefix_is_taken_off_where_none_would_help(file_of, names):
    with pytest.raises(StateDictError) as refusal:
        load_weights(Net(), file_of({name: np.ones(1) for name in names}))
    assert "begin with" not in str(refusal.value)
    assert f"{names[-1]} is not in the model" in str(refusal.value)


# --- sizes --------------------------------------------------------------------------------


def test_a_last_layer_of_another_size_is_skipped_on_request(file_of):
    tensors = state(classes=5)
    path = file_of(tensors)
    net = Net(classes=3)
    fc = net.fc.weight.numpy().copy()
    report = load_weights(net, path, strict=False)
    assert report.mismatched == (
        ("fc.weight", (5, 2), np.float32, (3, 2)),
        ("fc.bias", (5,), np.float32, (3,)),
    )
    assert (report.missing, report.unexpected, report.notices) == ((), (), ())
    assert report.fits(except_for="fc.")
    assert (net.fc.weight.data == fc).all()
    assert holds(net, {k: v for k, v in tensors.items() if k.startswith("body.")})
    net = Net(classes=3)
    before = net.state_dict()
    with pytest.raises(StateDictError) as refusal:
        load_weights(net, path)
    assert str(refusal.value) == (
        f"{path}: the weights do not fit the model: "
        "fc.weight has shape (5, 2), the model's has (3, 2); "
        "fc.bias has shape (5,), the model's has (3,)"
    )
    assert holds(net, before)


def test_what_is_no_tensor_is_said_and_raises_nothing(tmp_path):
    program = state_dict(**{"body.bias": tensor((2,), (1,)), "epoch": plain(3)})
    path = write(tmp_path / "net.pth", program)
    net = nn.Module()
    net.body = nn.Linear(4, 2)
    net.body.weight = None
    report = load_weights(net, path)
    assert report == nn.LoadReport(notices=("'epoch' is no tensor (int)",))
    assert report.fits()
    assert net.body.bias.data.tolist() == [0, 1]


def test_bools_are_no_weights(file_of):
    net, tensors = Net(), state()
    tensors["fc.bias"] = np.ones(3, bool)
    with pytest.raises(StateDictError, match=r"fc\.bias holds bool, not numbers"):
        load_weights(net, file_of(tensors))


# --- safetensors --------------------------------------------------------------------------


def lying(path, change):
    """A safetensors file whose header was changed."""
    content = safetensors(path, {"a": np.ones((2, 3), np.float32), "b": np.ones(4)}).read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    return path


LIES = {
    "a larger shape": lambda h: h["a"].update(shape=[2, 4]),
    "a shape of terabytes": lambda h: h["a"].update(shape=[2**40]),
    "sizes that overflow": lambda h: h["a"].update(shape=[2**40, 2**40]),
    "a size below 0": lambda h: h["a"].update(shape=[-2, -3]),
    "another type": lambda h: h["a"].update(dtype="F64"),
    "a type that there is not": lambda h: h["a"].update(dtype="F33"),
    "numbers beyond the end": lambda h: h["b"].update(shape=[400], data_offsets=[32, 3232]),
    "numbers of another": lambda h: h["a"].update(data_offsets=[8, 32]),
    "numbers from the end": lambda h: h["a"].update(data_offsets=[24, 0]),
    "a hole": lambda h: h.pop("a"),
    "no place": lambda h: h["a"].pop("data_offsets"),
    "no header": lambda h: h.update(a=3),
    "metadata that is none": lambda h: h.update(__metadata__=[1]),
    "facts that are none": lambda h: h.update(__metadata__={"minires": "{"}),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_raises(tmp_path, lie):
    path = lying(tmp_path / "w.safetensors", LIES[lie])
    with pytest.raises(DataError, match=r"w\.safetensors is not a whole safetensors file"):
        stored_tensors(path)


@pytest.mark.parametrize("length", [0, 1, 200, 2**31, 2**63 - 1, 2**64 - 1])
def test_a_header_that_is_longer_or_shorter_than_it_says_raises(tmp_path, length):
    path = safetensors(tmp_path / "w.safetensors", {"a": np.ones(3)})
    path.write_bytes(length.to_bytes(8, "little") + path.read_bytes()[8:])
    with pytest.raises(DataError, match=r"w\.safetensors is not a whole safetensors file"):
        stored_tensors(path)


def test_files_cut_short_anywhere_raise(tmp_path):
    content = safetensors(tmp_path / "w.safetensors", state()).read_bytes()
    for kept in range(0, len(content), 3):
        (tmp_path / "w.safetensors").write_bytes(content[:kept])
        with pytest.raises(DataError, match=r"w\.safetensors is not a whole safetensors file"):
            stored_tensors(tmp_path / "w.safetensors")


def test_altered_headers_are_read_or_raise(tmp_path):
    chance = random.Random(0)
    path = safetensors(tmp_path / "w.safetensors", state())
    content = path.read_bytes()
    length = 8 + int.from_bytes(content[:8], "little")
    outcomes = []
    for _ in range(400):
        changed = bytearray(content)
        changed[chance.randrange(length)] = chance.randrange(256)
        path.write_bytes(changed)
        refusal = ""
        try:
            load_weights(Net(), path, strict=False)
        except DataError as error:
            refusal = str(error)
        assert not refusal or str(path) in refusal
        outcomes.append(not refusal)
    assert 0 < sum(outcomes) < 300


@pytest.mark.parametrize("start", [b"PK", b"\x80\x02"])
def test_a_header_whose_length_looks_like_another_format(tmp_path, start):
    path = safetensors(tmp_path / "w", state())
    content = path.read_bytes()
    length, wanted = (int.from_bytes(c, "little") for c in (content[:8], start))
    padded = content[8 : 8 + length] + b" " * (wanted - length)
    path.write_bytes(wanted.to_bytes(8, "little") + padded + content[8 + length :])
    assert path.read_bytes().startswith(start)
    assert load_weights(Net(), path) == nn.LoadReport()


@needs_torch
def test_bfloat16_becomes_float32(tmp_path):
    from safetensors.torch import save_file

    w = torch.tensor([1.0, -2.5, 3e38, float("inf"), 1e-40, -0.0]).bfloat16().reshape(2, 3)
    save_file({"w": w}, tmp_path / "w")
    tensors, _ = stored_tensors(tmp_path / "w")
    got = np.asarray(tensors["w"])
    assert got.dtype == tensors["w"].dtype == np.float32
    np.testing.assert_array_equal(got, w.float().numpy())


@needs_torch
def test_types_that_numpy_has_not_raise(tmp_path):
    from safetensors.torch import save_file

    save_file({"w": torch.zeros(2).to(torch.float8_e4m3fn)}, tmp_path / "w")
    with pytest.raises(DataError, match="w has 'w' of type F8_E4M3; what is read is F64, F32, F16"):
        stored_tensors(tmp_path / "w")


def test_a_file_that_shrinks_before_it_is_read_raises(tmp_path):
    path = safetensors(tmp_path / "w", {"w": np.ones(5)})
    tensors, _ = stored_tensors(path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(DataError, match="w was cut short while it was read"):
        np.asarray(tensors["w"])
    path.unlink()
    with pytest.raises(DataError, match="w cannot be read: No such file"):
        np.asarray(tensors["w"])


@pytest.mark.parametrize(
    "read", [stored_tensors, read_tensors, lambda p: load_weights(nn.Linear(1, 1), p)]
)
def test_a_path_that_the_system_does_not_let_be_looked_at_raises(read, tmp_path):
    """As one within a folder of another user; here, of too long a name."""
    with pytest.raises(DataError, match=r"cannot be read: File name too long|there is no w"):
        read(tmp_path / ("a" * 300))


# --- what is given instead -----------------------------------------------------------------

INSTEAD = {
    "a Git LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n",
        "is no file of weights: it is a Git LFS pointer, .*; git lfs pull fetches the file",
    ),
    "a page": (b"\r\n<!DOCTYPE html>\n<html>", r"it is a web page \(HTML\), which sites send"),
    "a page without a type": (b"<HTML lang=en>", r"it is a web page \(HTML\)"),
    "an index": (b'{"metadata": {}}', "it is JSON"),
    "an index whose ninth byte is that of a header": (b'{"wmap":{"a": "b"}}', "it is JSON"),
    "an archive": (b"\x1f\x8b\x08\x00\x00", "it is compressed by gzip; unpack it first"),
    "Keras's": (b"\x89HDF\r\n\x1a\n", "it is an HDF5 file, as Keras writes them"),
    "a pickle": (
        b"\x80\x02}.",
        r'by torch\.save\(torch\.load\(path, map_location="cpu"\), path\)$',
    ),
    "something else": (b"\0" * 20, "is not a whole safetensors file, nor a zip file of torch.save"),
    "nothing": (b"", "is not a whole safetensors file, nor a zip file of torch.save"),
}


@pytest.mark.parametrize("what", INSTEAD)
def test_a_file_that_is_something_else_is_named_for_what_it_is(tmp_path, what):
    content, said = INSTEAD[what]
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(DataError, match=rf"w\.pth .*{said}"):
        load_weights(Net(), tmp_path / "w.pth")


# --- large --------------------------------------------------------------------------------


def header(path, text, numbers=b""):
    path.write_bytes(len(text).to_bytes(8, "little") + text + numbers)
    return path


def test_a_header_of_many_megabytes_is_not_read(tmp_path):
    entry = b',"%07d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    text = b"{" + b"".join(entry % i for i in range(300_000))[1:] + b"}"
    with pytest.raises(DataError, match=r"\(a header of 17,\d+,\d+ bytes, over 16,000,000\)"):
        load_weights(Net(), header(tmp_path / "w.safetensors", text))


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"w": {"dtype": "F32", "shape": [1] * 33, "data_offsets": [0, 4]}}, "has 'w' of 33 dim"),
        ({"w": {"dtype": "F32", "shape": [0] * 90_000, "data_offsets": [0, 0]}}, "90000 dimension"),
        ({"w": {"dtype": "\x1b[2J" * 99_999, "shape": [], "data_offsets": [0, 4]}}, "not a whole"),
        ({"__metadata__": {"minires": "[" * 99_999}}, "not a whole safetensors file"),
        ({"__metadata__": {"minires": "9" * 99_999}}, "not a whole safetensors file"),
        ({"w" * 501: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, "the name 'w{100}'"),
    ],
)
def test_little_of_a_header_is_in_a_message(tmp_path, entry, said):
    numbers = b"" if "__metadata__" in entry or "90000" in said else bytes(4)
    path = header(tmp_path / "w.safetensors", json.dumps(entry).encode(), numbers)
    with pytest.raises(DataError, match=said) as refusal:
        load_weights(Net(), path)
    assert len(str(refusal.value)) < 600
    assert str(refusal.value).isprintable()


# --- memory -------------------------------------------------------------------------------

PEAK = """
import sys
from pathlib import Path
import minires

def memory(what):
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(what)).split()[1])

net = minires.models.resnet18()
minires.load_weights(minires.nn.Linear(1, 1), sys.argv[1], strict=False)  # the first time's cost
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
before = memory("VmRSS")
minires.load_weights(net, sys.argv[1])
print(memory("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux tells the peak")
@pytest.mark.parametrize("writer", WRITERS)
def test_loading_takes_the_memory_of_a_few_tensors(tmp_path, writer):
    """Pages of the file that are mapped count: read through a map, this would take 47 MB."""
    from minires.models import resnet18

    path = writer(tmp_path / "weights", resnet18().state_dict())
    done = subprocess.run(
        [sys.executable, "-c", PEAK, path],
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"},  # what is freed goes back at once
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 0.4 * path.stat().st_size


def test_saved_weights_come_back(tmp_path):
    net, other = Net(), Net()
    save_weights(net, tmp_path / "w")
    assert load_weights(other, tmp_path / "w") == nn.LoadReport()
    assert holds(other, net.state_dict())
