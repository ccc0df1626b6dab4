"""`minires summary`, `minires memory` and `minires step` as a user meets them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from commands import fails, minires

from minires import functional as F
from minires import load_weights
from minires.data import digits
from minires.experiments.degradation import Config, Degradation
from minires.models import cifar_net
from minires.runs import RunFolder, run_of


def test_summary_shows_stages_and_the_papers_numbers():
    text = minires("summary", "resnet20", cwd=".").stdout
    assert re.search(
        r"conv2_x +│ 16x32x32 +│ \(3x3, 16; 3x3, 16\) x 3 +│ identity +│ +14,016", text
    )
    assert "269,722 parameters, 40,551,040 multiply-adds for one image" in text
    assert "the paper's: 0.27 million parameters\n" in text
    large = minires("summary", "resnet18", "--shortcut", "C", cwd=".").stdout
    assert "resnet18, 3x224x224" in large
    assert "the paper's: 1.8 billion multiply-adds (which it calls FLOPs)" in large
    assert "the paper's" not in minires("summary", "resnet18", "--input", "3x64x64", cwd=".").stdout


def test_summary_compares_blocks():
    text = minires("summary", "--compare", "basic,bottleneck", cwd=".").stdout
    row = r"basic +│ 256x56x56 +│ 3x3, 256; 3x3, 256 +│ identity +│ +1,179,648 +│ +3,699,376,128"
    assert re.search(row, text), text
    assert "basic has 16.9 times the parameters of bottleneck" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say which model, such as resnet50, or --compare basic,bottleneck"),
        (("--compare", "basic,wide"), "--compare knows basic, bottleneck; got basic, wide"),
        (("--compare", ","), "--compare knows basic, bottleneck; got nothing"),
        (("resnet21",), "no net 'resnet21'; .*; or, for large images, one of resnet18"),
        (("plain20", "--shortcut", "A"), "plain20 has no shortcuts to choose"),
        (("resnet20", "--shortcut", "D"), "shortcut must be A, B, C or None, got 'D'"),
        (("resnet50", "--stride-in", "5x5"), "stride_in must be 3x3 .* got '5x5'"),
        (("resnet20", "--input", "3x32"), "'--input': must be like 3x224x224, got '3x32'"),
    ],
)
def test_mistakes_in_summary_get_a_sentence(arguments, said):
    fails(minires("summary", *arguments, cwd="."), 2, said)


def test_memory_predicts_both_ways():
    result = minires("memory", "resnet14", "--batch", "16", "--checkpoint-every", "2", cwd=".")
    assert "resnet14, batch 16" in result.stdout, result.stderr
    assert re.search(r"keeping all: a batch of up to [\d,]+ fits into the", result.stdout)
    assert "--checkpoint-every 2: a batch of up to" in result.stdout
    fails(minires("memory", "resnet9", cwd="."), 2, "no net 'resnet9'")


def test_step_writes_a_page(tmp_path):
    how = ("--size", "8", "--batch", "4", "--path", "layer1.0")
    result = minires("step", "plain8", "resnet8", *how, cwd=tmp_path)
    assert re.match(r"page: step.html \(\d+\.\d MB\); open it in a browser", result.stdout)
    assert (tmp_path / "step.html").exists()
    large = ("resnet18", "--batch", "2", "--path", "layer4.1", "--out", "18.html")
    assert minires("step", *large, cwd=tmp_path).stderr == ""
    assert "2 images of digits, 224x224 pixels" in (tmp_path / "18.html").read_text()
    for arguments, code, said in (
        (("resnet9",), 2, "no net 'resnet9'"),
        (("resnet8", "--batch", "x"), 2, "'--batch': expected an integer, got 'x'"),
        (("resnet8", *how, "--out", "no/p.html"), 1, "no/p.html cannot be written: No such file"),
    ):
        fails(minires("step", *arguments, cwd=tmp_path), code, said)


def test_a_depth_of_both_families_is_said_to_be_one():
    """In every command that takes both the name means the same net, and the other is named."""
    for command in ("memory", "summary"):
        shown = minires(command, "resnet18", "--input", "3x32x32")
        assert (shown.returncode, shown.stderr) == (0, "")
        shown = minires(command, "resnet50", "--input", "3x32x32")
        assert shown.returncode == 0
        assert "resnet50 is taken for imagenet-resnet50" in shown.stderr
        assert "cifar-resnet50 is the one for 32x32" in shown.stderr
        assert "cifar" not in shown.stdout
        small = minires(command, "cifar-resnet50")
        assert (small.returncode, small.stderr) == (0, "")
        assert "cifar-resnet50" in small.stdout


def test_memory_of_a_net_for_large_images():
    how = ("resnet18", "--input", "3x32x32", "--checkpoint-every", "2")
    shown = minires("memory", *how)
    assert shown.returncode == 2
    assert "resnet18 is not built with activation checkpointing" in shown.stderr


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The run of a small net on digits, 8 pixels high."""
    run = tmp_path_factory.mktemp("step") / "run"
    for _ in Degradation.start(Config(nets=("resnet8",), epochs=1), digits(), run).run():
        pass
    return run


def loss_on(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page.read_text(), re.S)[1])["nets"][0][
        "loss"
    ]


def test_step_shows_weights_on_the_images_that_they_were_trained_on(trained, tmp_path):
    weights = trained / "weights" / "resnet8-seed0.safetensors"
    how = ("step", "resnet8", "--weights", weights, "--out", tmp_path / "page.html")
    shown = minires(*how)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "16 images of digits, 8x8 pixels" in (tmp_path / "page.html").read_text()

    model = cifar_net("resnet8", 10, 1)
    load_weights(model, weights)
    x, labels = next(digits().training_batches(16, seed=0, epoch=0))
    loss = F.cross_entropy(model(x), labels).item()
    assert np.isclose(loss_on(tmp_path / "page.html"), loss, rtol=1e-3)


def test_step_warns_of_a_size_that_weights_were_not_trained_on(trained, tmp_path):
    weights = trained / "weights" / "resnet8-seed0.safetensors"
    how = ("step", "resnet8", "--weights", weights, "--out", tmp_path / "page.html")
    shown = minires(*how, "--size", "16")
    assert shown.returncode == 0
    assert "these weights were trained on images 8 pixels high; on images of 16 the" in shown.stderr
    assert minires(*how, "--size", "8").stderr == ""


def test_weights_outside_of_a_run_are_shown_on_digits_as_they_are(trained, tmp_path):
    weights = (tmp_path / "resnet8.safetensors").absolute()
    weights.write_bytes((trained / "weights" / "resnet8-seed0.safetensors").read_bytes())
    shown = minires("step", "resnet8", "--weights", weights, "--out", tmp_path / "page.html")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "16 images of digits, 8x8 pixels" in (tmp_path / "page.html").read_text()


def test_step_says_that_it_cannot_show_a_fine_tuned_net(tmp_path):
    weights = RunFolder.create(tmp_path / "run", {"experiment": "finetune"}).weights("best")
    shown = minires("step", "resnet18", "--weights", weights, cwd=tmp_path)
    fails(
        shown, 2, "is of a fine-tuned net, whose images step cannot show; where it looks: minires"
    )


def test_the_run_of_a_weights_file(trained, tmp_path, monkeypatch):
    weights = trained / "weights" / "resnet8-seed0.safetensors"
    assert run_of(weights) == trained
    monkeypatch.chdir(trained / "weights")
    assert run_of(Path(weights.name)) == trained
    assert run_of(trained / "checkpoints" / weights.name) is None
    assert run_of(tmp_path / "weights" / weights.name) is None
