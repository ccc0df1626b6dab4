"""A run of fine-tuning: what it trains, what it leaves, and how it goes on."""

import csv
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from image_files import BAD, class_folders
from thin_nets import ThinNet, thin_net

from minires import load_weights, manual_seed, save_weights
from minires.errors import DataError, RunError, StateDictError, UsageError
from minires.models import resnet18
from minires.runs import read_history
from minires.vision import FolderImages, ImageFolder, image_folder
from minires.vision.finetune import Finetune, FinetuneConfig, run
from minires.vision.finetune.results import Outcome, Result, validate
from minires.vision.folders import Part
from minires.weights.safetensors_file import read_tensors


@pytest.fixture(autouse=True)
def thin(monkeypatch):
    monkeypatch.setattr(run, "imagenet_net", thin_net)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of images, and weights to begin from."""
    root = tmp_path_factory.mktemp("finetune")
    class_folders(root / "my images", n=10)
    manual_seed(7)
    save_weights(ThinNet(8), root / "w.safetensors")
    return root


def config(place, **asked):
    settings = {"epochs": 3, "batch": 8, "size": 32, "lr": 0.02, **asked}
    return FinetuneConfig(
        str(place / "my images"), weights=str(place / "w.safetensors"), **settings
    )


def start(config, out, **how):
    return Finetune.start(config, out, workers=0, **how)


def resume(out, data=None, **asked):
    return Finetune.resume(asked, out, data, workers=0)


def finish(run):
    with run:
        return list(run.run())


def history(out):
    return [replace(row, seconds=0) for row in read_history(out / "history.csv")]


def weights(out):
    return {p.name: p.read_bytes() for p in (out / "weights").iterdir()}


SETTINGS = {
    "all": {},
    "head": {"freeze": True},
    "last stage": {"freeze": True, "stages": 1},
    "kept features": {"freeze": True, "augment": False},
}


@pytest.fixture(scope="module", params=SETTINGS)
def unbroken(request, place, tmp_path_factory):
    """(settings, folder) of a run from beginning to end."""
    asked = config(place, **SETTINGS[request.param])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "imagenet_net", thin_net)
        out = tmp_path_factory.mktemp("runs") / "unbroken"
        finish(start(asked, out))
    return asked, out


@pytest.fixture(scope="module")
def quickest(place, tmp_path_factory):
    """The folder of a run whose settings do not matter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "imagenet_net", thin_net)
        out = tmp_path_factory.mktemp("runs") / "quickest"
        finish(start(config(place, freeze=True, augment=False), out))
    return out


def test_a_run_leaves_its_files(unbroken):
    _, out = unbroken
    assert {p.name for p in out.iterdir()} == {
        *("config.json", "history.csv", "finetune.png", "summary.md", "classes.txt"),
        *("confusion.png", "predictions.csv", "mistakes.html", "checkpoints", "weights"),
        *("history.previous.csv", "history.csv.sha256"),
    }
    assert (out / "classes.txt").read_text() == "blue\ngreen\nred\n"
    assert [row.epoch for row in history(out)] == [1, 2, 3]
    for name in ("finetune.png", "confusion.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")


def test_names_on_disk_are_those_of_runs_written_before(unbroken):
    asked, out = unbroken
    facts = json.loads((out / "config.json").read_text())
    assert list(facts) == [
        *("format", "experiment", "data", "model", "weights", "key", "epochs", "lr", "batch"),
        *("val_split", "freeze", "stages", "augment", "size", "seed"),
        *("classes", "data_sha256", "left_out", "machine"),
    ]
    assert facts["experiment"] == "finetune"
    assert facts["data_sha256"] == image_folder(asked.data).digest
    assert (out / "predictions.csv").read_text().startswith("file,class,taken_for,probability\n")
    assert [p.name for p in (out / "checkpoints").iterdir() if "previous" not in p.name] == [
        "resnet18-seed0.safetensors"
    ]
    assert {p.name for p in (out / "weights").iterdir()} == {
        "start.safetensors",
        "best.safetensors",
    }


@pytest.mark.parametrize("steps", [1, 3, 5, 8])
def test_a_run_killed_anywhere_is_resumed_to_the_same_bits(unbroken, tmp_path, steps):
    asked, whole = unbroken
    out = tmp_path / "killed"
    for count, _ in enumerate(start(asked, out).run(), start=1):
        if count == steps:  # as after a SIGKILL: nothing is saved on the way out
            break
    finish(resume(out))
    assert history(out) == history(whole)
    assert weights(out) == weights(whole)
    assert (out / "predictions.csv").read_text() == (whole / "predictions.csv").read_text()


def test_asked_to_stop_a_run_saves_the_very_step(unbroken, tmp_path):
    asked, whole = unbroken
    out = tmp_path / "asked"
    first = start(asked, out)
    steps = iter(range(100))
    last = list(first.run(lambda: next(steps) == 4))[-1]
    assert first.stopped
    assert last.progress.iteration == 5
    assert "not finished" in (out / "summary.md").read_text()
    assert (out / "finetune.png").exists()
    assert not (out / "confusion.png").exists()
    second = resume(out)
    assert next(iter(second.run())).progress.iteration == 6
    finish(resume(out))
    assert history(out) == history(whole)
    assert weights(out) == weights(whole)


def test_the_number_of_workers_changes_nothing(unbroken, tmp_path):
    asked, whole = unbroken
    finish(Finetune.start(asked, tmp_path / "run", workers=2))
    assert history(tmp_path / "run") == history(whole)
    assert weights(tmp_path / "run") == weights(whole)


def test_a_finished_run_gone_on_with_has_nothing_left_to_do(unbroken, tmp_path):
    _, whole = unbroken
    shutil.copytree(whole, tmp_path / "run")
    (tmp_path / "run" / "confusion.png").unlink()
    assert [event.progress for event in finish(resume(tmp_path / "run"))] == [None]
    assert weights(tmp_path / "run") == weights(whole)
    assert (tmp_path / "run" / "confusion.png").exists()


def test_killed_before_the_first_weights_were_written_a_run_begins_the_same(unbroken, tmp_path):
    asked, whole = unbroken
    out = tmp_path / "run"
    start(asked, out).close()
    shutil.rmtree(out / "weights")
    finish(resume(out))
    assert weights(out) == weights(whole)


@pytest.mark.parametrize("name", ["start", "best"])
def test_weights_with_a_bit_flipped_are_not_believed(unbroken, tmp_path, name):
    _, whole = unbroken
    shutil.copytree(whole, tmp_path / "run")
    path = tmp_path / "run" / "weights" / f"{name}.safetensors"
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"{name}\.safetensors is damaged: its numbers"):
        finish(resume(tmp_path / "run"))
    save_weights(load(path), path)  # as older runs wrote it, without a checksum
    finish(resume(tmp_path / "run"))


def load(path):
    net = ThinNet(3)
    load_weights(net, path)
    return net


def test_what_is_frozen_stays_as_it_was(unbroken, place):
    asked, out = unbroken
    before, _ = read_tensors(place / "w.safetensors")
    first, _ = read_tensors(out / "weights" / "start.safetensors")
    after, _ = read_tensors(out / "weights" / "best.safetensors")
    trained = {"fc"} | {f"layer{i}" for i in range(5 - asked.stages, 5)}
    for name, array in after.items():
        if not name.startswith("fc."):
            np.testing.assert_array_equal(first[name], before[name])
        part = name.split(".")[0]
        if asked.freeze and part not in trained:
            np.testing.assert_array_equal(array, before[name])
        else:
            assert (array != first[name]).any(), name


def test_best_weights_are_those_of_the_best_epoch(unbroken):
    asked, out = unbroken
    net = ThinNet(3).eval()
    load_weights(net, out / "weights" / "best.safetensors")
    folder = image_folder(asked.data, asked.val_split, asked.seed)
    outcomes = validate(net, FolderImages(folder, 32, workers=0))
    wrong = sum(outcome.predicted != outcome.label for outcome in outcomes)
    best = min(row.test_error for row in history(out))
    assert 100 * wrong / len(outcomes) == pytest.approx(best)
    with (out / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == list(folder.val.paths)
    assert [row["taken_for"] for row in rows] == [folder.classes[o.predicted] for o in outcomes]
    assert [float(row["probability"]) for row in rows] == pytest.approx(
        [o.probability for o in outcomes], abs=1e-4
    )


def test_a_worse_epoch_does_not_replace_the_best(place, tmp_path, monkeypatch):
    errors = iter([50.0, 20.0, 20.0, 30.0])
    monkeypatch.setattr("minires.train.Trainer.test_error", lambda self: next(errors))
    saved = []
    run_of_four = start(config(place, epochs=4), tmp_path / "run")
    save = run_of_four.out.save_weights
    monkeypatch.setattr(
        run_of_four.out,
        "save_weights",
        lambda name, net: (saved.append(run_of_four.trainer.iteration), save(name, net)),
    )
    finish(run_of_four)
    assert saved == [3, 6]


def test_fine_tuning_learns(place, tmp_path):
    finish(start(config(place, epochs=12, lr=0.05), tmp_path / "run"))
    assert min(row.test_error for row in history(tmp_path / "run")) < 20


def test_the_recipe_is_sgd_with_momentum_and_a_constant_rate(place, tmp_path):
    trainer = start(config(place), tmp_path / "run").trainer
    assert (trainer.optimiser.momentum, trainer.optimiser.weight_decay) == (0.9, 0.0)
    rates = {progress.row and progress.row.lr for progress in trainer.run()} - {None}
    assert rates == {0.02}
    assert FinetuneConfig("x").lr == 0.001
    assert FinetuneConfig("x").epochs == 10


# --- bad images -----------------------------------------------------------------------------


@pytest.fixture
def spoilt(place, tmp_path):
    shutil.copytree(place / "my images", tmp_path / "spoilt")
    for name, (content, _) in BAD.items():
        (tmp_path / "spoilt" / "red" / name).write_bytes(content)
    return replace(config(place, epochs=1), data=str(tmp_path / "spoilt"))


def test_the_old_name_of_the_model_still_works(place, tmp_path):
    warned = pytest.warns(DeprecationWarning, match="now called model")
    with start(config(place), tmp_path / "run") as begun, warned:
        assert begun.net is begun.model


def test_bad_images_are_left_out_counted_and_listed(spoilt, tmp_path):
    out = tmp_path / "run"
    begun = start(spoilt, out)
    assert f"({len(BAD)} files left out)" in begun.description
    assert len(begun.images.folder.paths) == 30
    finish(begun)
    assert f"| {len(BAD)}, listed in left_out.txt |" in (out / "summary.md").read_text()
    listed = (out / "left_out.txt").read_text().splitlines()
    assert len(listed) == len(BAD)
    for name in BAD:
        assert sum(f"{name} cannot be read" in line for line in listed) >= 1
    finish(resume(out))
    assert json.loads((out / "config.json").read_text())["left_out"].keys() == {
        f"red/{name}" for name in BAD
    }


def test_strict_stops_at_them(spoilt, tmp_path):
    with pytest.raises(DataError, match=rf"^{len(BAD)} of {30 + len(BAD)} files .*--strict.*red/"):
        start(spoilt, tmp_path / "run", strict=True)
    assert not (tmp_path / "run").exists()


def test_a_class_of_bad_images_alone_raises_with_a_reason(place, tmp_path):
    root = class_folders(tmp_path / "p", n=3)
    for path in (root / "red").iterdir():
        path.write_bytes(b"x")
    asked = replace(config(place), data=str(root))
    with pytest.raises(DataError, match=r"class 'red' .* 3 of 9 files cannot be .*red/\d\.png"):
        start(asked, tmp_path / "run")


def test_names_with_spaces_quotes_and_chinese_letters(place, tmp_path):
    colours = {"一只 猫": (200, 0, 0), "a | b": (0, 200, 0), "<b>$x$": (0, 0, 200)}
    root = class_folders(tmp_path / "圖 & 片", n=6, colours=colours)
    asked = replace(config(place, epochs=1), data=str(root))
    finish(start(asked, tmp_path / "run"))
    assert "一只 猫" in (tmp_path / "run" / "classes.txt").read_text(encoding="utf-8")
    assert "a \\| b" in (tmp_path / "run" / "summary.md").read_text(encoding="utf-8")
    assert "<b>$x$" not in (tmp_path / "run" / "mistakes.html").read_text(encoding="utf-8")
    finish(resume(tmp_path / "run"))


def test_names_that_would_control_what_shows_them_do_not(place, tmp_path):
    strange = os.fsdecode(b"\xff")
    colours = {"\x1b[2Ja": (200, 0, 0), "=1+1": (0, 200, 0), f"<b>$x{strange}": (0, 0, 200)}
    root = class_folders(tmp_path / "\x1b[31m<i>", n=6, colours=colours)
    (root / "=1+1" / "\x1b]0;title\x07.png").write_bytes(b"no image")
    asked = replace(config(place, epochs=1), data=str(root))
    finish(start(asked, tmp_path / "run"))
    texts = ("summary.md", "classes.txt", "left_out.txt", "predictions.csv", "mistakes.html")
    for name in texts:
        content = (tmp_path / "run" / name).read_bytes()
        assert all(byte >= 32 or byte == 10 for byte in content), name
        assert not re.search(rb"<b>|<i>", content) or name.endswith((".txt", ".csv"))
    with open(tmp_path / "run" / "predictions.csv", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert not any(cell.startswith("=") for row in rows for cell in row)
    assert {"'=1+1", "\\x1b[2Ja", "<b>$x\\udcff"} >= {row[1] for row in rows[1:]}
    names = (tmp_path / "run" / "classes.txt").read_text(encoding="utf-8").splitlines()
    assert names == ["\\x1b[2Ja", "<b>$x\\udcff", "=1+1"]
    finish(resume(tmp_path / "run"))


def test_a_batch_of_one_image_is_passed_over(place, tmp_path):
    root = class_folders(tmp_path / "p", n=10)
    (root / "red" / "0.png").unlink()
    folder = image_folder(root)
    assert len(folder.train) == 23  # 11 and 12 and none
    asked = replace(config(place, batch=11, epochs=2), data=str(root))
    finish(start(asked, tmp_path / "run"))
    assert [row.iteration for row in history(tmp_path / "run")] == [2, 4]


# --- what raises ------------------------------------------------------------------------------


def test_weights_of_another_net_leave_no_folder(place, tmp_path):
    save_weights(resnet18(num_classes=3), tmp_path / "w.safetensors")
    asked = replace(config(place), weights=str(tmp_path / "w.safetensors"))
    with pytest.raises(StateDictError, match=r"w\.safetensors does not hold the weights"):
        start(asked, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_is_never_overwritten(quickest, place):
    with pytest.raises(UsageError, match="not empty; add --resume"):
        start(config(place), quickest)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"epochs": 2}, "has epochs = 3, but 2 was asked for"),
        ({"lr": 0.5}, "has lr = 0.02, but 0.5 was asked for"),
        ({"model": "resnet50"}, "has model = resnet18, but resnet50 was asked for"),
    ],
)
def test_another_configuration_raises(quickest, asked, sentence):
    with pytest.raises(UsageError, match=sentence):
        resume(quickest, **asked)


def test_a_finished_run_with_more_epochs_ends_as_one_that_was_started_with_them(unbroken, tmp_path):
    asked, out = unbroken
    finish(start(replace(asked, epochs=2), tmp_path / "run"))
    ended = {path.name for path in (tmp_path / "run").iterdir()}
    next(resume(tmp_path / "run", epochs=3).run())  # and killed
    now = {path.name for path in (tmp_path / "run").iterdir()}
    assert ended - now == {"confusion.png", "predictions.csv", "mistakes.html"}, "of that end"
    finish(resume(tmp_path / "run"))
    assert ended <= {path.name for path in (tmp_path / "run").iterdir()}
    assert history(tmp_path / "run") == history(out)
    assert weights(tmp_path / "run") == weights(out)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["epochs"] == 3
    assert [e.progress for e in finish(resume(tmp_path / "run"))] == [None], "nothing is left"


def test_a_runs_own_best_weights_are_trained_on_with_their_last_layer(quickest, place, tmp_path):
    best = quickest / "weights" / "best.safetensors"
    again = start(replace(config(place), weights=str(best)), tmp_path / "again")
    assert again.notices == (f"{best} is for the same classes: its last layer is trained on",)
    found = again.model.state_dict()
    assert all((found[name] == array).all() for name, array in read_tensors(best)[0].items())
    other = tmp_path / "other"
    shutil.copytree(place / "my images", other / "images")
    (other / "images" / "red").rename(other / "images" / "orange")
    new = start(
        replace(config(place), data=str(other / "images"), weights=str(best)), tmp_path / "new"
    )
    assert new.notices == ()
    fc = new.model.state_dict()["fc.weight"]
    assert not np.array_equal(fc, found["fc.weight"]), "other classes get a new last layer"


def test_other_images_raise_and_moved_ones_are_welcome(quickest, place, tmp_path):
    out = quickest
    moved = tmp_path / "moved"
    shutil.copytree(place / "my images", moved)
    finish(resume(out, data=moved))
    (moved / "red" / "0.png").rename(moved / "red" / "00.png")
    with pytest.raises(UsageError, match="moved are not those that the run"):
        resume(out, data=moved)


@pytest.mark.parametrize(
    "change",
    [
        *({"epochs": "two"}, {"epochs": True}, {"freeze": 1}, {"lr": "x"}, {"model": "vgg"}),
        *({"val_split": "0.2"}, {"left_out": 5}, {"left_out": ["x"]}, {"data": None}),
    ],
)
def test_an_altered_configuration_raises(quickest, tmp_path, change):
    shutil.copytree(quickest, tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(RunError, match="was altered"):
        resume(tmp_path / "run")


def test_a_run_of_before_there_were_keys_is_resumed(quickest, tmp_path):
    shutil.copytree(quickest, tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    facts = json.loads(path.read_text())
    assert facts.pop("key") is None
    path.write_text(json.dumps(facts))
    assert resume(tmp_path / "run").config.key is None


def test_a_run_of_another_experiment_raises(tmp_path):
    (tmp_path / "config.json").write_text('{"format": 1, "nets": ["plain8"]}')
    with pytest.raises(RunError, match="is of another experiment"):
        resume(tmp_path)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"model": "resnet20"}, "no net 'resnet20' for large images; there are: resnet18"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"batch": 1}, "batch must be at least 2, got 1"),
        ({"size": 31}, "size must be at least 32, got 31"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"lr": 0.0}, "above 0 and finite, got 0.0"),
        ({"lr": float("inf")}, "above 0 and finite, got inf"),
        ({"freeze": True, "stages": 4}, "stages must be 0 to 3, got 4"),
        ({"stages": 2}, "add --freeze"),
        ({"key": "net"}, "key 'net' names tensors in a file of weights: add --weights"),
    ],
)
def test_what_cannot_be_meant_raises(options, sentence):
    with pytest.raises(UsageError, match=sentence):
        FinetuneConfig("x", **options)


# --- counting ---------------------------------------------------------------------------------


def test_a_confusion_matrix_counts_class_by_row_and_prediction_by_column():
    pairs = [(0, 0), (0, 1), (0, 1), (2, 0)]
    outcomes = [Outcome(f"{k}.png", *pair, k / 8) for k, pair in enumerate(pairs)]
    folder = ImageFolder(
        Path("x"), ("a", "b", "c"), Part(("p",) * 3, (0, 1, 2)), Part(("p",), (0,))
    )
    result = Result(FinetuneConfig("x"), folder, {}, [], outcomes, 0.0, 0.0)
    assert result.confusion.tolist() == [[1, 2, 0], [0, 0, 0], [1, 0, 0]]
    assert [outcome.path for outcome in result.mistakes] == ["3.png", "2.png", "1.png"]


def test_the_summary_says_what_was_right_and_what_was_not(unbroken):
    asked, out = unbroken
    text = (out / "summary.md").read_text()
    best = min(row.test_error for row in history(out))
    assert f"| best validation accuracy | **{100 - best:.2f} %** after epoch" in text
    assert "| share of the most frequent class | 33.33 % (blue) |" in text
    assert f"| trained layers | {asked.trained} |" in text
    with (out / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    for label, name in enumerate(("blue", "green", "red")):
        guesses = [row["taken_for"] for row in rows if row["class"] == name]
        share = 100 * guesses.count(name) / len(guesses)
        assert re.search(rf"\| {label} \| {name} \| 8 \| 2 \| {share:.1f} % \|", text)
    wrong = sum(row["class"] != row["taken_for"] for row in rows)
    page = (out / "mistakes.html").read_text()
    assert f"{wrong} mistakes in 6 images of my images" in page
    assert page.count("<img") == wrong


def test_a_second_process_on_a_run_raises(place, tmp_path):
    first = start(config(place, epochs=1), tmp_path / "run")
    events = first.run()
    next(events)
    with pytest.raises(RunError, match=r"another process \(\d+\) is at work in .*run"):
        finish(resume(tmp_path / "run"))
    list(events)
    finish(resume(tmp_path / "run"))


def test_a_second_process_changes_nothing(place, tmp_path):
    """Even where it finds damage: another process may be writing the file at that moment."""
    out = tmp_path / "run"
    first = start(config(place, epochs=2), out)
    events = first.run()
    for _ in range(4):  # an epoch has ended
        next(events)
    checkpoint = out / "checkpoints" / "resnet18-seed0.safetensors"
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(b"")
    (out / "weights" / "start.safetensors").unlink()
    before = sorted(out.rglob("*"))
    with resume(out) as second, pytest.raises(RunError, match="another process"):
        list(second.run())
    assert sorted(out.rglob("*")) == before
    assert checkpoint.read_bytes() == b""
    checkpoint.write_bytes(content)
    list(events)
