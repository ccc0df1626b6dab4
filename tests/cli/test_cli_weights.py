"""`minires convert` and `minires export`, as a user meets them."""

import subprocess
import sys

import numpy as np
import pytest
from commands import ENVIRONMENT, fails, minires
from oracles import needs_torch, torch
from safetensors.numpy import load_file, save_file

from minires import models, save_weights

try:
    import onnxruntime
except ImportError:
    onnxruntime = None

needs_onnx = pytest.mark.skipif(onnxruntime is None, reason="onnxruntime is not installed")


@needs_torch
def test_convert_writes_the_tensors_and_says_what_it_left_out(tmp_path):
    weights = {"module.fc.weight": torch.ones(2, 3), "module.fc.bias": torch.ones(2).half()}
    torch.save({"state_dict": weights, "epoch": 3, "arch": "x"}, tmp_path / "in.pth")
    done = minires("convert", "in.pth", "out.safetensors", "--rename", "module.=", cwd=tmp_path)
    assert done.stdout == (
        "the tensors are those under 'state_dict'; 'epoch', 'arch' beside it: passed over\n"
        "weights: out.safetensors (2 tensors of 8 numbers)\n"
    ), done.stderr
    got = load_file(tmp_path / "out.safetensors")
    assert {name: (a.dtype, a.tolist()) for name, a in got.items()} == {
        "fc.weight": (np.float32, [[1, 1, 1], [1, 1, 1]]),
        "fc.bias": (np.float16, [1, 1]),
    }


@needs_torch
def test_a_place_in_a_checkpoint_is_named_by_an_option(tmp_path):
    net = {"w": torch.ones(2)}
    torch.save({"student": net, "teacher": {"w": torch.zeros(2)}, "epoch": 3}, tmp_path / "in.pth")
    convert = ("convert", "in.pth", "out.safetensors")
    fails(
        minires(*convert, cwd=tmp_path),
        2,
        "in.pth has several state dicts; name one of 'student', 'teacher' with --key",
    )
    done = minires(*convert, "--key", "teacher", cwd=tmp_path)
    assert done.stdout.startswith("the tensors are those under 'teacher'; 'student', 'epoch'")
    assert load_file(tmp_path / "out.safetensors")["w"].tolist() == [0, 0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with weights of a resnet8, and others."""
    path = tmp_path_factory.mktemp("weights")
    save_weights(models.cifar_resnet(8, num_classes=4, in_channels=1), path / "w.safetensors")
    save_file({"w": np.ones(3, np.float32)}, path / "other.safetensors")
    absurd = {"fc.weight": (2**40, 0), "conv1.weight": (1, 2**40, 3, 0)}
    save_file({k: np.ones(v, np.float32) for k, v in absurd.items()}, path / "empty.safetensors")
    (path / "bare.pth").write_bytes(b"\x80\x02}.")
    return path


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("w.safetensors", "other.safetensors"), 2, "other.safetensors exists; add --force to"),
        (("w.safetensors", "x.pth"), 2, r"OUT must end in \.safetensors, got x\.pth"),
        (("nowhere.pth", "x.safetensors"), 1, "there is no weights file nowhere.pth"),
        (("bare.pth", "x.safetensors"), 1, "bare.pth is a bare pickle"),
        (("w.safetensors", "no/x.safetensors"), 1, "no/x.safetensors cannot be written: No such"),
        (("w.safetensors", "a" * 300 + ".safetensors"), 1, "aaa.safetensors cannot be "),
        (("w.safetensors", "x.safetensors", "--rename", "a"), 2, "must be OLD=NEW, got 'a'"),
        (("w.safetensors", "x.safetensors", "--rename", "=a"), 2, "must be OLD=NEW, got '=a'"),
        (
            ("other.safetensors", "x.safetensors", "--rename", "module.="),
            2,
            "no tensor in other.safetensors has a name that begins with 'module.'; the first is w",
        ),
    ],
)
def test_mistakes_in_convert_get_a_sentence(folder, arguments, code, sentence):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    fails(minires("convert", *arguments, cwd=folder), code, sentence)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_convert_replaces_a_file_by_force_even_its_own(folder, tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes((folder / "w.safetensors").read_bytes())
    before = load_file(path)
    done = minires("convert", path, path, "--force", "--rename", "fc.=head.", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    after = load_file(path)
    assert {name.replace("head.", "fc.") for name in after} == set(before)
    assert (after["head.weight"] == before["fc.weight"]).all()


@needs_onnx
def test_export_takes_channels_and_classes_from_the_weights(folder, tmp_path):
    out = tmp_path / "net.onnx"
    done = minires(
        *("export", "resnet8", "--weights", folder / "w.safetensors", "--out", out),
        *("--input", "1x9x7"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"model: {out} (")
    assert done.stdout.endswith("MB), which takes images Nx1x9x7\n")
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"input": np.ones((2, 1, 9, 7), np.float32)})
    assert y.shape == (2, 4)


@needs_onnx
@pytest.mark.parametrize(
    ("net", "options", "code", "sentence"),
    [
        ("resnet21", (), 2, "no net 'resnet21'; .*; or, for large images, one of resnet18"),
        ("resnet8", ("--shortcut", "B"), 1, "w.safetensors: the weights do not fit the model"),
        ("resnet8", ("--input", "1x9"), 2, "'--input': must be like 3x224x224, got '1x9'"),
        ("resnet8", ("--input", "1x-9x9"), 2, r"sizes of at least 1, got \(1, -9, 9\)"),
        ("resnet8", ("--input", "3x9x9"), 1, r"conv2d got x of shape \(1, 3, 9, 9\)"),
        ("resnet8", ("--weights", "empty.safetensors"), 1, "empty.safetensors: the weights do not"),
        ("resnet8", ("--out", "no/net.onnx"), 1, "no/net.onnx cannot be written: No such file"),
    ],
)
def test_mistakes_in_export_get_a_sentence(folder, net, options, code, sentence):
    before = sorted(folder.iterdir())
    usual = ("--weights", "w.safetensors", "--out", "net.onnx")
    fails(minires("export", net, *usual, *options, cwd=folder), code, sentence)
    assert sorted(folder.iterdir()) == before


def test_export_without_the_package_is_a_sentence(folder):
    code = "import sys; sys.modules['onnx'] = None; from minires.cli import main; main()"
    arguments = ("export", "resnet8", "--weights", "w.safetensors", "--out", "net.onnx")
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    fails(done, 2, r'needs the package onnx, .*; pip install "\.\[onnx\]"')
