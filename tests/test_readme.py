"""What the README and CONTRIBUTING show must run as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from standin import standin

import minires
from minires import Op, Tensor, gradcheck
from minires.autograd import Gradients
from minires.backend import Array, array_module, backend_name

ROOT = Path(__file__).parent.parent
PAIRS = {
    "README.md": "README.zh-CN.md",
    "tutorials/README.md": "tutorials/zh/README.md",
    "tutorials/coming_from_pytorch.md": "tutorials/zh/coming_from_pytorch.md",
}
SWITCH = re.compile(r"^(English \| \[中文\]|\[English\]).*\n", re.MULTILINE)


def python_blocks(name):
    return re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL)


def write_what_the_readme_reads():
    """The images, the weights and the run that its commands have left behind."""
    for name, shade in (("black", 0), ("white", 255)):
        folder = Path("images") / name
        folder.mkdir(parents=True)
        for i in range(2):
            Image.new("RGB", (16, 16), (shade, shade, shade + (-1) ** (shade > 0) * i)).save(
                folder / f"{i}.png"
            )
    minires.save_weights(minires.models.resnet18(), "resnet18.safetensors")
    trained = Path("runs/degradation-1/weights/resnet20-seed0.safetensors")
    trained.parent.mkdir(parents=True)
    minires.save_weights(minires.models.cifar_resnet(20, in_channels=1), trained)


def run_on_a_gpu(block, names):
    """Run what asks for the backend cupy on its stand-in, and come back."""
    with standin():
        exec(block, names)
        assert backend_name(names["net"].conv1.weight.data) == "cupy"
        names["net"].to("numpy")
        minires.backend.use("numpy")


def test_the_blocks_of_the_readme_run_in_order_in_one_session(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_what_the_readme_reads()
    threads = minires.get_num_threads()
    names, said = {}, []
    for block in python_blocks("README.md"):
        if "cupy" in block:
            run_on_a_gpu(block, names)
        elif "Finetune.start" in block:
            block = block.replace(".pth", ".safetensors")
            exec(block.replace("epochs=10", "epochs=1, size=32"), names)
        else:
            exec(block, names)
        said.append(capsys.readouterr().out)
    minires.set_num_threads(threads)
    walk = said[0].splitlines()
    assert walk[0].startswith("CrossEntropy")
    assert any(line.split()[:2] == ["Conv2d", "layer2.0.conv1"] for line in walk)
    assert len(walk) > 60
    assert "layer3.2" in said[2]
    norms = names["norms"]
    assert sorted(norms) == [f"layer{i}.{j}.conv2" for i in (1, 2, 3) for j in range(3)]
    assert all(np.isfinite(norm) and norm > 0 for norm in norms.values())
    assert "epoch=1" in "".join(said)
    assert names["best"].fc.weight.shape == (2, 512)
    assert Path("mine.safetensors").is_file()
    assert names["slow"].item() == pytest.approx(names["loss"].item(), rel=1e-4)


def test_the_addition_in_the_readme_is_the_one_in_ops():
    shown = next(block for block in python_blocks("README.md") if "class Add" in block)
    source = (ROOT / "minires" / "ops" / "arithmetic.py").read_text(encoding="utf-8")
    for line in shown.splitlines():
        if line.strip().startswith(("return", "self.", "class", '"""y = a + b.')):
            assert line.rstrip('"') in source


def test_the_script_for_those_who_come_from_pytorch_trains(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    script, *more = python_blocks("tutorials/coming_from_pytorch.md")
    assert script.count("\n") == 22
    exec(script, names := {})
    last = capsys.readouterr().out.splitlines()[-1]
    assert int(re.search(r"(\d+) of 360 right", last)[1]) > 300
    for block in more:
        exec(block, names)


def test_the_operation_in_contributing_is_right():
    names = {"Op": Op, "Array": Array, "Gradients": Gradients, "array_module": array_module}
    exec(
        next(block for block in python_blocks("CONTRIBUTING.md") if "class Softplus" in block),
        names,
    )
    x = Tensor(np.random.default_rng(0).standard_normal((3, 4)), requires_grad=True)
    assert gradcheck(lambda x: names["Softplus"]()(x), [x]) < 1e-5
    np.testing.assert_allclose(names["Softplus"]()(x).numpy(), np.log1p(np.exp(x.numpy())))


def test_files_the_readme_points_to_are_there():
    for name in (*PAIRS, *PAIRS.values(), "CONTRIBUTING.md", "benchmarks/README.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
            assert ((ROOT / name).parent / target).exists(), f"{name} points to {target}"


def test_files_contributing_names_are_there():
    named = re.findall(
        r"`((?:minires|tests)/[\w./]+)`", (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    )
    assert len(named) > 15
    assert [name for name in named if not (ROOT / name).exists()] == []


def quoted(name):
    """What a page quotes: its blocks of code without comments, its `code`, links and numbers."""
    text, switches = SWITCH.subn("", (ROOT / name).read_text(encoding="utf-8"))
    assert switches == 1, f"{name} does not say in which other language it can be read"
    text = text.replace("tutorials/zh", "tutorials").replace("../../", "../")
    blocks = re.findall(r"```.*?```", text, re.DOTALL)
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    code = {" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)}
    links = set(re.findall(r"\]\(([^)]+)\)", prose))
    numbers = set(re.findall(r"\d+(?:[.,]\d+)*", prose))
    return [re.sub(r" +#.*", "", block) for block in blocks], code, links, numbers


@pytest.mark.parametrize(("english", "chinese"), PAIRS.items())
def test_the_chinese_page_quotes_what_the_english_one_does(english, chinese):
    for there, here in zip(quoted(english), quoted(chinese), strict=True):
        assert here == there


def test_names_that_are_quoted_are_found_once_minires_is_imported():
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in PAIRS)
    names = set(re.findall(r"`(minires(?:\.\w+)+)\b", text))
    assert {"minires.lab.show", "minires.parallel.DistributedSGD"} <= names
    code = f"import minires\nfor name in {sorted(names)}: eval(name)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_extras_are_named_as_they_can_be_installed():
    """The package is on no index: an extra is that of a copy of the repository."""
    texts = [
        *ROOT.glob("*.md"),
        *(ROOT / "minires").rglob("*.py"),
        *(ROOT / "tutorials").rglob("*"),
    ]
    for path in (path for path in texts if path.suffix in (".md", ".py", ".ipynb")):
        assert not re.search(r"(?<!\.)minires\[", path.read_text(encoding="utf-8")), path
