"""Files of torch.save: what is read of them, and what raises before it is believed."""

import io
import math
import random
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from oracles import needs_torch, torch
from pth_files import (
    FLAGS,
    METHOD,
    NUMBERS,
    call,
    name,
    number,
    plain,
    state_dict,
    storage,
    tensor,
    with_field,
    write,
)

from minires.errors import DataError
from minires.weights.loading import stored_tensors


def read(path):
    """The arrays by name, and what was passed over."""
    tensors, passed_over = stored_tensors(path)
    return {name: np.asarray(stored) for name, stored in tensors.items()}, passed_over


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.pth"


# --- against PyTorch ----------------------------------------------------------------------


def torch_tensors():
    torch.manual_seed(0)
    normal = torch.randn(5, 4, 3)
    whole = torch.arange(-6, 6).reshape(3, 4)
    return {
        "float32": normal,
        "float64": normal.double(),
        "float16": normal.half(),
        "bfloat16": normal.bfloat16(),
        **{f"int{bits}": whole.to(getattr(torch, f"int{bits}")) for bits in (8, 16, 32, 64)},
        "uint8": whole.abs().to(torch.uint8),
        "bool": whole > 0,
        "transposed": normal.transpose(0, 2),
        "bfloat16 transposed": normal.bfloat16().transpose(0, 1),
        "channels last": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
        "every second": normal[::2, 1:],
        "a part": normal[2],
        "parameter": torch.nn.Parameter(normal[0]),
        "one number": torch.tensor(3),
        "no number": torch.zeros(0, 3),
        "no number in much": torch.ones(4)[2:2],
    }


@needs_torch
@pytest.mark.parametrize("protocol", [2, 4])
def test_every_tensor_is_what_pytorch_saved(path, protocol):
    saved = torch_tensors()
    torch.save(saved, path, pickle_protocol=protocol)
    got, passed_over = read(path)
    assert passed_over == []
    assert list(got) == list(saved)
    for key, expected in saved.items():
        expected = expected.detach()
        expected = (expected.float() if "bfloat16" in key else expected).numpy()
        assert got[key].dtype == expected.dtype, key
        assert got[key].shape == expected.shape, key
        np.testing.assert_array_equal(got[key], expected, err_msg=key)


@needs_torch
def test_a_state_dict_in_a_folder_of_any_name(tmp_path):
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    memory = io.BytesIO()
    torch.save(net.state_dict(), memory)
    (tmp_path / "weights").write_bytes(memory.getvalue())
    got, _ = read(tmp_path / "weights")
    assert list(got) == list(net.state_dict())
    assert got["1.num_batches_tracked"] == 0


@needs_torch
def test_tensors_that_share_a_storage(path):
    w = torch.randn(2, 3)
    torch.save({"encoder": w, "decoder": w, "row": w[1]}, path)
    got, _ = read(path)
    assert all((got[key] == w.numpy()).all() for key in ("encoder", "decoder"))
    assert (got["row"] == w[1].numpy()).all()


@needs_torch
@pytest.mark.parametrize("place", ["state_dict", "model_state_dict", "model"])
def test_the_checkpoint_of_a_training_script(path, place):
    net = torch.nn.Linear(2, 3)
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    net(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    checkpoint = {"epoch": 3, "arch": "linear", "optimizer": optimizer.state_dict()}
    torch.save({**checkpoint, place: net.state_dict()}, path)
    got, passed_over = read(path)
    assert (got["weight"] == net.weight.detach().numpy()).all()
    assert list(got) == ["weight", "bias"]
    assert passed_over == [
        f"the tensors are those under '{place}'; 'epoch', 'arch', 'optimizer' beside it: "
        "passed over"
    ]


@needs_torch
def test_a_whole_module_raises(path):
    torch.save(torch.nn.Linear(2, 3), path)
    with pytest.raises(DataError, match=r"net\.pth asks for 'torch\.nn\.modules\.linear\.Linear'"):
        read(path)


@needs_torch
def test_the_format_before_version_1_6_raises(path):
    torch.save({"w": torch.ones(1)}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(DataError, match=r"net\.pth is a bare pickle, as PyTorch wrote them before"):
        read(path)


@needs_torch
def test_a_scripted_module_raises(path):
    torch.save({"w": torch.ones(1)}, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("net/constants.pkl", b"")
        archive.writestr("net/code/__torch__.py", b"")
    assert list(read(path)[0]) == ["w"]  # what is not asked for is never looked at


@needs_torch
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_named_for_what_it_is(path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 3)), path)
    with pytest.raises(DataError, match=r"net\.pth is a program, TorchScript of torch\.jit\.save"):
        read(path)


# --- made by hand -------------------------------------------------------------------------


def test_the_files_of_these_tests_are_like_pytorchs(path):
    got, passed_over = read(write(path, state_dict(w=tensor(), n=plain(5), s=plain("text"))))
    assert got.keys() == {"w"}
    assert (got["w"] == np.arange(6).reshape(2, 3)).all()
    assert passed_over == ["'n' is no tensor (int)", "'s' is no tensor (str)"]


@needs_torch
def test_pytorch_reads_the_files_of_these_tests(path):
    write(path, state_dict(w=tensor((3, 2), (1, 3))))
    got = torch.load(path)["w"]
    assert (got.numpy() == np.arange(6).reshape(2, 3).T).all()
    assert (read(path)[0]["w"] == got.numpy()).all()


NO_PART = r"net\.pth has a tensor of shape .* which is no part of its storage of 6 numbers"
NO_TENSOR = r"net\.pth describes a tensor that is none"
HUGE = 2**40

TENSORS = {
    "too long": (tensor((7,), (1,)), NO_PART),
    "too far": (tensor((2,), (6,)), NO_PART),
    "an offset too far": (tensor((2, 3), (3, 1), 1), NO_PART),
    "nothing, from outside": (tensor((0,), (1,), 7), NO_PART),
    "expanded": (tensor((2, 3), (0, 1)), NO_PART),
    "expanded to terabytes": (tensor((HUGE,), (0,)), NO_PART),
    "windows that overlap": (tensor((3, 4), (1, 1)), NO_PART),
    "a stride back": (tensor((2,), (-1,), 1), NO_TENSOR),
    "a size below 0": (tensor((-1,), (1,)), NO_TENSOR),
    "an offset below 0": (tensor((1,), (1,), -1), NO_TENSOR),
    "an absurd size": (tensor((2**70,), (1,)), NO_TENSOR),
    "an absurd size of nothing": (tensor((0, HUGE, HUGE), (1, 1, 1)), NO_TENSOR),
    "a size too few": (tensor((6,), (1, 1)), NO_TENSOR),
    "too many dimensions": (tensor((1,) * 65, (1,) * 65), NO_TENSOR),
    "a size that is text": (
        call(("torch._utils", "_rebuild_tensor_v2"), storage(), number(0), *[plain("ab")] * 4),
        NO_TENSOR,
    ),
    "a size that is no list": (
        call(("torch._utils", "_rebuild_tensor_v2"), storage(), *[number(0)] * 5),
        NO_TENSOR,
    ),
    "no storage": (tensor(of=plain("x")), NO_TENSOR),
    "too few arguments": (call(("torch._utils", "_rebuild_tensor_v2")), "missing 6 required"),
    "a parameter of no tensor": (
        call(("torch._utils", "_rebuild_parameter"), plain(1), plain(True), plain(None)),
        r"net\.pth has a parameter that is no tensor",
    ),
    "a dict of arguments": (
        call(("collections", "OrderedDict"), plain([("a", 1)])),
        r"net\.pth holds a damaged pickle",
    ),
    "a storage of fewer numbers": (
        tensor(of=storage(count=5)),
        r"net\.pth says that storage 0 has 5 numbers of 4 bytes; its member has 24 bytes",
    ),
    "a storage of more numbers": (tensor(of=storage(count=HUGE)), "its member has 24 bytes"),
    "a storage of another type": (
        tensor(of=storage(kind=("torch", "DoubleStorage"))),
        "has 6 numbers of 8 bytes; its member has 24 bytes",
    ),
    "a storage that is not there": (
        tensor(of=storage("7")),
        r"net\.pth has no member 'net/data/7'",
    ),
    "a storage outside": (
        tensor(of=storage("../../etc/passwd")),
        r"net\.pth has no member 'net/data/../../etc/passwd'",
    ),
    "a storage that is none": (
        tensor(of=plain(("storage", "FloatStorage", "0", "cpu", 6)) + b"Q"),
        r"net\.pth refers to something that is no storage of a tensor",
    ),
    "a module": (tensor(of=plain("module") + b"Q"), "no storage of a tensor"),
}


@pytest.mark.parametrize("what", TENSORS)
def test_a_tensor_that_is_no_part_of_its_storage_raises(path, what):
    entry, said = TENSORS[what]
    write(path, state_dict(good=tensor(), w=entry))
    with pytest.raises(DataError, match=said) as refusal:
        read(path)
    assert str(path) in str(refusal.value)


def test_the_largest_tensor_that_a_storage_holds(path):
    write(path, state_dict(w=tensor((3,), (2,), 1), all=tensor((6,), (1,))))
    got, _ = read(path)
    assert got["w"].tolist() == [1, 3, 5]
    assert got["all"].tolist() == [0, 1, 2, 3, 4, 5]


def test_tensors_that_span_the_file_again_and_again_raise(path):
    members = {"data/0": np.zeros(10_000, "<f4").tobytes()}
    row = tensor((2,), (9_999,), 0, storage(count=10_000))
    write(path, state_dict(**{f"w{i}": row for i in range(3)}), members)
    assert len(read(path)[0]) == 3
    write(path, state_dict(**{f"w{i}": row for i in range(9)}), members)
    with pytest.raises(DataError, match=r"net\.pth has \d+ bytes, but its tensors together span"):
        read(path)


CONTENTS = {
    "a list": (b"]", r"net\.pth holds a list; expected a state dict"),
    "a tensor": (tensor(), r"net\.pth holds a tensor; expected a state dict"),
    "nothing": (b"}", r"net\.pth has no tensors at its top, .*; there are: nothing"),
    "no tensors": (
        state_dict(epoch=plain(3), best=plain(0.5)),
        r"net\.pth has no tensors at its top, nor in a dict within; there are: 'epoch', 'best'$",
    ),
    "tensors without names": (b"}" + plain(1) + tensor() + b"s", "has no tensors at its top"),
    "a name with a terminal's escapes": (
        state_dict(**{"\x1b[2Jw": tensor()}),
        r"net\.pth has a tensor with the name '\\x1b\[2Jw'",
    ),
    "half a letter as a name": (
        b"}" + b"X\x03\x00\x00\x00\xed\xa0\x80" + tensor() + b"s",
        r"net\.pth has a tensor with the name '\\ud800'",
    ),
}


@pytest.mark.parametrize("what", CONTENTS)
def test_what_is_no_state_dict_raises(path, what):
    program, said = CONTENTS[what]
    with pytest.raises(DataError, match=said):
        read(write(path, program))


def test_code_raises_and_is_not_run(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for function in (("os", "system"), ("posix", "system"), ("builtins", "exec")):
        write(path, state_dict(w=tensor(), x=call(function, plain("touch ran"))))
        with pytest.raises(DataError, match=rf"net\.pth asks for '{function[0]}\.{function[1]}'"):
            read(path)
    assert [p.name for p in tmp_path.iterdir()] == ["net.pth"]


def test_a_call_with_the_reader_itself_raises(path):
    """What the reader lends is a method: through it, its globals must not be reached."""
    rebuild = name("torch._utils", "_rebuild_tensor_v2")
    state = b"N}" + plain("__self__") + plain(1) + b"s\x86"
    with pytest.raises(DataError, match="expected a dict, found a method"):
        read(write(path, state_dict(w=tensor(), x=rebuild + state + b"b")))


# --- zip files ----------------------------------------------------------------------------

GOOD = state_dict(w=tensor())


def test_compressed_members_raise(path):
    write(path, GOOD, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match=r"net\.pth has a compressed or encrypted member"):
        read(path)


@pytest.mark.parametrize(("field", "value"), [(FLAGS, 1), (METHOD, zipfile.ZIP_DEFLATED)])
def test_members_that_say_they_are_encrypted_or_compressed_raise(path, field, value):
    with_field(write(path, GOOD), field, value)
    with pytest.raises(DataError, match=r"net\.pth has a compressed or encrypted member"):
        read(path)


@pytest.mark.parametrize("order", [b"big", b"", b"middle", b"\xff\xfe"])
def test_numbers_of_another_byte_order_raise(path, order):
    write(path, GOOD, {"data/0": NUMBERS, "byteorder": order})
    with pytest.raises(DataError, match=r"net\.pth has numbers of byte order '.*'; expected 'litt"):
        read(path)


def test_files_before_there_was_a_byte_order_are_read(path):
    assert read(write(path, GOOD, {"data/0": NUMBERS}))[0].keys() == {"w"}


def test_other_zip_files_raise(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", b"<x/>")
    with pytest.raises(DataError, match=r"net\.pth is a zip file, but none of torch\.save"):
        read(path)
    with zipfile.ZipFile(path, "w"):
        pass
    with pytest.raises(DataError, match=r"net\.pth is a zip file, but none of torch\.save"):
        read(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_raises(path):
    write(path, GOOD)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("net/data/0", bytes(24))
    with pytest.raises(DataError, match=r"net\.pth has members that overlap, or are there twice"):
        read(path)


def test_members_that_share_bytes_raise(path):
    """Many members of the same bytes would be many times the file."""
    members = {f"data/{i}": bytes(24) for i in range(40)} | {"data/0": bytes(20_000)}
    content = bytearray(write(path, GOOD, members).read_bytes())
    with zipfile.ZipFile(path) as archive:
        infos = {info.filename: info for info in archive.infolist()}
        shared = infos["net/data/0"].header_offset
    for i in range(40):  # every entry of the directory leads to the first of them
        place = content.find(f"net/data/{i}".encode(), content.find(b"PK\x01\x02"))
        struct.pack_into("<II", content, place - 46 + 20, 20_000, 20_000)
        struct.pack_into("<I", content, place - 46 + 42, shared)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"net\.pth has members that overlap, or are there twice"):
        read(path)


def test_a_pickle_of_absurd_size_raises(path):
    write(path, b"N0" * 2_000_001)
    with pytest.raises(DataError, match=r"net\.pth has a member data\.pkl of 4000005 bytes, more"):
        read(path)


def test_a_directory_of_absurd_size_raises(path):
    members = {f"data/{i}" + "x" * 100: b"" for i in range(30_000)}
    write(path, GOOD, {"data/0": NUMBERS, **members})
    with pytest.raises(DataError, match=r"net\.pth is not a whole .* \(a directory of [45],"):
        read(path)


def test_members_are_many_if_they_are_needed(path):
    members = {f"data/{i}": b"" for i in range(20_000)}
    assert list(read(write(path, GOOD, {**members, "data/0": NUMBERS}))[0]) == ["w"]


def test_numbers_that_were_altered_raise(path):
    content = write(path, GOOD).read_bytes()
    path.write_bytes(content.replace(NUMBERS, NUMBERS[::-1]))
    with pytest.raises(
        DataError, match=r"net\.pth is not a whole file of torch\.save \(Bad CRC-32"
    ):
        read(path)


def test_files_cut_short_anywhere_raise(path):
    content = write(path, GOOD).read_bytes()
    for kept in range(0, len(content), 3):
        path.write_bytes(content[:kept])
        with pytest.raises(DataError, match=r"net\.pth is not a whole"):
            read(path)


def altered(content, chance):
    """A copy with some bytes changed, cut out or put in."""
    content = bytearray(content)
    for _ in range(chance.randint(1, 2)):
        at = chance.randrange(len(content))
        match chance.randrange(4):
            case 0 | 1:
                content[at] = chance.randrange(256)
            case 2:
                del content[at : at + chance.randint(1, 8)]
            case 3:
                content[at:at] = chance.randbytes(chance.randint(1, 8))
    return bytes(content)


def outcome(path):
    """Whether a file is read; refused is the only other thing that may happen, and no large
    amount of memory is taken either way."""
    tracemalloc.reset_peak()
    refusal = ""
    try:
        read(path)
    except DataError as error:
        refusal = str(error)
    assert not refusal or str(path) in refusal
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    return not refusal


@pytest.fixture
def traced():
    tracemalloc.start()
    yield
    tracemalloc.stop()


def test_altered_files_are_read_or_raise(path, traced):
    chance = random.Random(0)
    content = write(path, state_dict(w=tensor(), b=tensor((2,), (1,)), n=plain(3))).read_bytes()
    outcomes = []
    for _ in range(400):
        path.write_bytes(altered(content, chance))
        outcomes.append(outcome(path))
    assert 0 < sum(outcomes) < 200


def test_altered_pickles_in_whole_files_are_read_or_raise(path, traced):
    """The checksums are right, so that everything reaches the machine and the reader."""
    chance = random.Random(1)
    program = state_dict(w=tensor(), b=tensor((2,), (1,)), n=plain(3))
    outcomes = []
    for _ in range(600):
        write(path, altered(program, chance))
        outcomes.append(outcome(path))
    assert 0 < sum(outcomes) < 300


@needs_torch
def test_random_views_are_pytorchs(path):
    chance = np.random.default_rng(0)
    whole = torch.arange(360)
    views = {}
    for i in range(60):
        shape = chance.permutation([3, 4, 5, 6])
        view = whole.reshape(*map(int, shape)).permute(*map(int, chance.permutation(4)))
        for d in range(4):
            start, step = int(chance.integers(3)), int(chance.integers(1, 3))
            view = view[(slice(None),) * d + (slice(start, None, step),)]
        views[f"v{i}"] = view
    # Storages of their own, or the views together would span too much of one file.
    views = {
        k: v.clone().set_(v.untyped_storage(), v.storage_offset(), v.shape, v.stride())
        for k, v in views.items()
    }
    for key, view in views.items():
        torch.save({key: view}, path)
        got, _ = read(path)
        np.testing.assert_array_equal(got[key], view.numpy(), err_msg=str((view.shape, key)))
        assert got[key].size == math.prod(view.shape)
