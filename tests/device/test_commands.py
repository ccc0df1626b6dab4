"""Every command on a device: by --backend where it trains, and none trips over MINIRES_BACKEND."""

import csv
import json
from functools import partial
from pathlib import Path

import pytest
from image_files import class_folders
from thin_nets import thin_net
from typer.testing import CliRunner

import minires
from minires import backend, models
from minires.backend import library
from minires.cli import app
from minires.experiments.degradation import config
from minires.experiments.gradient_flow import responses, run, shattered
from minires.train import Trainer, quick_recipe


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """In a folder of its own, where nobody has asked for the default backend yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(library, "_default", None)
    monkeypatch.delenv("MINIRES_BACKEND", raising=False)
    monkeypatch.setattr(run, "Responses", partial(responses.Responses, steps=3))
    monkeypatch.setattr(run, "_BATCH", 4)
    monkeypatch.setitem(config.SCHEDULES, "quick", lambda data, *_: quick_recipe(data, epochs=1))
    nets = shattered.Shattered(depths=(8, 14), draws=1, inputs=8)
    monkeypatch.setattr(run, "Shattered", lambda seed: nets)
    monkeypatch.setattr("minires.vision.finetune.run.imagenet_net", thin_net)


@pytest.fixture
def trained_on(monkeypatch):
    """The backends that trainings were on, and where each batch came to."""
    seen = set()
    step = Trainer.step

    def watched(trainer, *batch):
        step(trainer, *batch)
        seen.add((trainer.backend, backend.backend_name(trainer.optimiser.velocities[0])))

    monkeypatch.setattr(Trainer, "step", watched)
    return seen


def command(*arguments):
    """What a command prints; its errors are raised."""
    result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def numbers(path, column):
    with path.open(encoding="utf-8") as file:
        return [float(row[column]) for row in csv.DictReader(file)]


def test_degradation_and_what_is_made_of_its_nets(cupy, trained_on):
    nets = ("--nets", "resnet8")
    command("degradation", *nets, "--backend", "cupy", "--out", "run")
    assert trained_on == {("cupy", "cupy")}
    assert json.loads(Path("run/config.json").read_text())["backend"] == "cupy"
    assert "backend cupy" in Path("run/summary.md").read_text()
    command("plot", "run")
    of_flow = ("flow", *nets, "--run", "run", "--steps", "1", "--size", "8")
    of_map = ("landscape", *nets, "--run", "run", "--points", "3", "--images", "8")
    for name in ("numpy", "cupy"):
        command(*of_flow, "--backend", name, "--out", f"flow-{name}")
        command(*of_map, "--backend", name, "--out", f"map-{name}")
    for file, column in (
        ("flow/flow.csv", "gradient"),
        ("flow/responses.csv", "spread"),
        ("flow/shattered.csv", "correlation"),
        ("flow/paths.csv", "norm"),
        ("map/landscape.csv", "loss"),
    ):
        folder, name = file.split("/")
        ours, theirs = (numbers(Path(f"{folder}-{b}", name), column) for b in ("numpy", "cupy"))
        assert theirs == pytest.approx(ours, rel=0.01, abs=1e-4), file


def test_landscape_trains_on_the_backend_that_it_is_asked_for(cupy, trained_on):
    few = ("--nets", "resnet8", "--points", "3", "--images", "8")
    command("landscape", *few, "--backend", "cupy", "--out", "map")
    assert trained_on == {("cupy", "cupy")}


@pytest.mark.parametrize("how", [("--freeze",), ("--freeze", "--no-augment"), ()])
def test_finetune(cupy, trained_on, how):
    class_folders(Path("images"), n=4)
    few = ("--epochs", "1", "--size", "32", "--batch", "4", "--workers", "0")
    command("finetune", "images", *few, *how, "--backend", "cupy", "--out", "run")
    assert trained_on == {("cupy", "cupy")}
    assert Path("run/confusion.png").exists()


def test_gradcheck(cupy):
    assert "all passed" in command("gradcheck", "--backend", "cupy")


def test_afterwards_the_default_is_what_it_was(cupy):
    command("gradcheck", "--backend", "cupy")
    assert backend.default() == "numpy"


def test_all_others_work_whatever_the_environment_says(cupy, monkeypatch):
    minires.save_weights(models.resnet18(num_classes=3), "w.safetensors")
    class_folders(Path("images"), n=1)
    monkeypatch.setenv("MINIRES_BACKEND", "cupy")
    monkeypatch.setattr(library, "_default", None)
    command("summary", "resnet8")
    command("memory", "resnet8")
    command("step", "resnet8", "--size", "8", "--after", "1", "--out", "step.html")
    Path("labels").write_text("a\nb\nc\n", encoding="utf-8")
    image = ("images/red", "--weights", "w.safetensors", "--labels", "labels", "--size", "32")
    command("classify", *image, "--cam", "maps")
    command("convert", "w.safetensors", "again.safetensors")
    pytest.importorskip("onnx")
    command("export", "resnet18", "--weights", "w.safetensors", "--out", "net.onnx")
    assert backend.default() == "cupy"


def test_degradation_takes_its_default_from_the_environment(cupy, monkeypatch, trained_on):
    monkeypatch.setenv("MINIRES_BACKEND", "cupy")
    command("degradation", "--nets", "resnet8", "--out", "run")
    assert trained_on == {("cupy", "cupy")}
    monkeypatch.setenv("MINIRES_BACKEND", "numpy")  # a run goes on where it was begun
    monkeypatch.setattr(library, "_default", None)
    command("degradation", "--resume", "--out", "run")
