"""`minires finetune` and `minires classify` as a user meets them."""

import os
import re
import shutil
import signal
from pathlib import Path

import pytest
from commands import fails, in_a_process, minires, start, wait_for
from image_files import BAD, class_folders, noisy_image
from oracles import needs_torch, torch
from safetensors.numpy import load_file

from minires import manual_seed, save_weights
from minires.models import resnet18, resnet34

QUICK = ("--size", "32", "--batch", "8", "--freeze", "--no-augment")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of images, and weights, in a folder with a space in its name."""
    root = tmp_path_factory.mktemp("a user")
    class_folders(root / "my 照片", n=6)
    manual_seed(0)
    save_weights(resnet18(num_classes=10), root / "w.safetensors")
    return root


@pytest.fixture(scope="module")
def finished(place):
    result = in_a_process(
        *(
            "finetune",
            "my 照片",
            "--weights",
            "w.safetensors",
            "--epochs",
            "2",
            "--lr",
            "0.1",
            *QUICK,
        ),
        cwd=place,
    )
    assert result.returncode == 0, result.stderr
    return place, result


def test_one_command_fine_tunes_and_says_how_it_goes(finished):
    place, result = finished
    run = place / "runs" / "finetune-1"
    assert (run / "weights" / "best.safetensors").exists()
    assert "15 training and 3 validation images of 3 classes; trained layers: fc" in result.stdout
    line = r"resnet18\s+seed 0  epoch 1 .* loss \d+\.\d+  train +\d+\.\d+ %  val +\d+\.\d+ % right"
    assert re.search(line, result.stdout)
    assert "figure: runs/finetune-1/confusion.png" in result.stdout
    assert "minires classify image.jpg --model resnet18" in result.stdout
    assert "Traceback" not in result.stderr


def test_the_command_it_ends_with_classifies(finished):
    place, _ = finished
    run = place / "runs" / "finetune-1"
    command = re.search(r"```sh\nminires (.*)\n```", (run / "summary.md").read_text())[1]
    noisy_image((200, 30, 40)).save(place / "image.jpg")
    result = minires(*command.split(), "--cam", "maps", cwd=place)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "image.jpg"
    shares = [re.fullmatch(r" +(\d+\.\d) %  (blue|green|red)", line) for line in lines[1:4]]
    numbers = [float(share[1]) for share in shares]
    assert numbers == sorted(numbers, reverse=True)
    assert sum(numbers) == pytest.approx(100, abs=0.2)
    assert lines[4] == "  figure: maps/image.cam.png"
    assert (place / "maps" / "image.cam.png").read_bytes().startswith(b"\x89PNG")


def test_weights_of_a_run_classify_with_its_size_and_classes(finished, monkeypatch):
    place, _ = finished
    monkeypatch.chdir(place)
    noisy_image((200, 30, 40)).save(place / "one.jpg")
    how = ("classify", "one.jpg", "--weights", "runs/finetune-1/weights/best.safetensors")
    alone = minires(*how)
    said = (*how, "--labels", "runs/finetune-1/classes.txt", "--size", "32")
    assert alone.stdout == minires(*said).stdout
    assert (alone.returncode, alone.stderr) == (0, "")
    other = minires(*how, "--size", "48")
    assert other.returncode == 0
    assert "these weights were trained on images 32 pixels high; on images of 48" in other.stderr


def test_a_folder_of_images_good_and_bad(finished):
    place, _ = finished
    shutil.copytree(place / "my 照片", place / "mixed")
    for name, (content, _) in BAD.items():
        (place / "mixed" / "red" / name).write_bytes(content)
    run = "runs/finetune-1"
    how = ("--weights", f"{run}/weights/best.safetensors", "--labels", f"{run}/classes.txt")
    result = minires("classify", "mixed", "image.jpg", *how, "--size", "32", cwd=place)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count(" %  ") == 3 * 19
    assert f"{len(BAD)} of {19 + len(BAD)} files were left out" in result.stderr
    assert all(f"{name} cannot be read" in result.stderr for name in BAD)
    assert "Traceback" not in result.stderr
    strict = minires("classify", "mixed", *how, "--size", "32", "--strict", cwd=place)
    fails(strict, 1, rf"mixed/red/.* cannot be read: .* \(and {len(BAD) - 1} more\)")


def test_names_cannot_control_the_terminal_and_not_all_of_many_are_listed(finished, tmp_path):
    place, _ = finished
    folder = tmp_path / "some"
    folder.mkdir()
    noisy_image().save(folder / "\x1b[2J\u202e.png")
    noisy_image().save(folder / os.fsdecode(b"\xff.png"))
    for i in range(30):
        (folder / f"\x1b]0;{i}\x07").write_bytes(b"no image")
    (folder / "gone.png").symlink_to("nothing")
    (tmp_path / "labels").write_text("\x1b[31mred\n\x9bblue\ngreen", encoding="utf-8")
    weights = place / "runs" / "finetune-1" / "weights" / "best.safetensors"
    how = ("--weights", weights, "--labels", "labels", "--size", "32", "--cam", "maps")
    result = in_a_process("classify", "some", *how, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    shown = result.stdout + result.stderr
    assert not set(shown) & set("\x1b\x07\x9b\u202e")
    assert "some/\\x1b[2J\\u202e.png" in result.stdout
    assert "some/\\udcff.png" in result.stdout
    assert "%  \\x1b[31mred" in result.stdout
    assert "31 of 33 files were left out" in result.stderr
    assert result.stderr.strip().endswith("and 21 more")
    assert result.stderr.count("\n") == 12


@pytest.mark.parametrize("name", ["notes.txt", "cut short.jpg", "larger bomb.png"])
def test_an_image_that_is_none_is_a_sentence(place, name):
    (place / name).write_bytes(BAD[name][0])
    (place / "ten.txt").write_text("\n".join("abcdefghij"))
    how = ("--weights", "w.safetensors", "--labels", "ten.txt")
    result = minires("classify", name, *how, cwd=place)
    fails(result, 1, rf"{name} cannot be read: .*{BAD[name][1]}")


def test_weights_of_another_net_are_a_sentence(place, tmp_path):
    save_weights(resnet34(num_classes=10), tmp_path / "34.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((place / "w.safetensors").read_bytes()[:1000])
    noisy_image().save(tmp_path / "p.png")
    (tmp_path / "ten.txt").write_text("\n".join("abcdefghij"))
    class_folders(tmp_path / "images", n=3)
    for command in (("classify", "p.png", "--labels", "ten.txt"), ("finetune", "images")):
        for name, said in (
            ("34", r"34\.safetensors does not hold the weights of .*: layer1\.2\.\S+ is not in"),
            ("cut", r"cut\.safetensors is not a whole safetensors file"),
            ("none", r"there is no weights file .*none\.safetensors"),
        ):
            result = minires(*command, "--weights", f"{name}.safetensors", cwd=tmp_path)
            fails(result, 1, said)
    assert not (tmp_path / "runs").exists()


@needs_torch
def test_weights_in_a_checkpoint_are_found_and_that_is_said(place, tmp_path):
    saved = load_file(place / "w.safetensors")
    state = {f"module.{name}": torch.from_numpy(array) for name, array in saved.items()}
    torch.save({"net": {**state, "loss.weight": torch.ones(2)}, "epoch": 3}, tmp_path / "w.pth")
    noisy_image().save(tmp_path / "p.png")
    (tmp_path / "ten.txt").write_text("\n".join("abcdefghij"))
    how = ("--weights", "w.pth", "--labels", "ten.txt", "--size", "32")
    found = minires("classify", "p.png", *how, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert found.stderr == (
        "the tensors are those under 'net'; 'epoch' beside it: passed over\n"
        "the tensors are those whose names begin with 'module.'; 'loss.weight' beside them: "
        "passed over\n"
    )
    named = minires("classify", "p.png", *how, "--key", "net", cwd=tmp_path)
    assert named.stdout == found.stdout
    absent = minires("classify", "p.png", *how, "--key", "ema", cwd=tmp_path)
    fails(absent, 2, "no tensors under 'ema'")


def test_images_that_cannot_be_learnt_from_are_a_sentence(tmp_path):
    class_folders(tmp_path / "one", n=2, colours={"red": (200, 0, 0)})
    class_folders(tmp_path / "gap", n=2)
    (tmp_path / "gap" / "yellow").mkdir()
    class_folders(tmp_path / "bad", n=3)
    for path in (tmp_path / "bad" / "red").iterdir():
        path.write_bytes(b"no image")
    (tmp_path / "none").mkdir()
    for folder, code, said in (
        ("one", 1, r"one has 1 class folders \(red\).* at least two"),
        ("gap", 1, "class 'yellow' in .*gap has no image to train on"),
        ("bad", 1, "class 'red' in .*bad has no image to train on.* 3 of 9 files cannot"),
        ("none", 1, r"none has 0 class folders \(none\)"),
        ("nowhere", 2, "there is no folder .*nowhere"),
    ):
        fails(minires("finetune", folder, "--size", "32", cwd=tmp_path), code, said)
    strict = minires("finetune", "bad", "--strict", "--size", "32", cwd=tmp_path)
    fails(strict, 1, "3 of 9 files cannot be decoded, and --strict was given: .*red/")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "say where the images are"),
        (("p", "--model", "resnet20"), "no net 'resnet20' for large images; there are: resnet18"),
        (("p", "--epochs", "0"), "epochs must be at least 1, got 0"),
        (("p", "--epochs", "x"), "'--epochs': expected an integer, got 'x'"),
        (("p", "--lr", "-1"), "the learning rate must be above 0 and finite, got -1.0"),
        (("p", "--val-split", "2"), "val_split must be between 0 and 1, got 2"),
        (("p", "--stages", "1"), "add --freeze"),
        (("p", "--key", "net"), "key 'net' names tensors in a file of weights: add --weights"),
        (("p", "--size", "8"), "size must be at least 32, got 8"),
        (("p", "--workers", "-1", "--size", "32"), "workers must be at least 0, got -1"),
        (("--resume",), "--resume needs --out"),
        (("--resume", "--out", "nowhere"), "there is no run in nowhere"),
    ],
)
def test_mistakes_get_a_sentence(tmp_path, arguments, sentence):
    class_folders(tmp_path / "p", n=2)
    fails(minires("finetune", *arguments, cwd=tmp_path), 2, sentence)
    assert [p.name for p in tmp_path.iterdir()] == ["p"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nowhere.jpg", "--weights", "w"), "there is no image nowhere.jpg"),
        (("p", "--weights", "w", "--model", "vgg"), "no net 'vgg' for large images"),
        (("p", "--weights", "w", "--labels", "none.txt"), "none.txt cannot be read: No such file"),
        (
            ("p", "--weights", "w", "--labels", "l.json"),
            "l.json is JSON; expected names of classes",
        ),
        (("p", "--weights", "w", "--size", "8"), "size must be at least 32, got 8"),
        (("p",), "Missing option '--weights'"),
        ((), "Missing argument"),
    ],
)
def test_mistakes_of_classify_get_a_sentence(tmp_path, arguments, sentence):
    class_folders(tmp_path / "p", n=2)
    (tmp_path / "l.json").write_text('{"0": ["n01440764", "tench"]}')
    fails(minires("classify", *arguments, cwd=tmp_path), 2, sentence)


# --- stopped and resumed ----------------------------------------------------------------------


LONGER = (
    "finetune",
    "p",
    "--epochs",
    "4",
    "--size",
    "32",
    "--batch",
    "4",
    "--freeze",
    "--out",
    "run",
)


def history(run):
    lines = (run / "history.csv").read_text().splitlines()
    return [line.rsplit(",", 1)[0] for line in lines]


def same(a, b):
    assert history(a) == history(b)
    assert len(history(a)) == 5
    for name in ("start", "best"):
        weights = [(run / "weights" / f"{name}.safetensors").read_bytes() for run in (a, b)]
        assert weights[0] == weights[1]
    assert (a / "predictions.csv").read_text() == (b / "predictions.csv").read_text()


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    parent = tmp_path_factory.mktemp("unbroken")
    class_folders(parent / "p", n=6)
    assert in_a_process(*LONGER, cwd=parent).returncode == 0
    return parent / "run"


def workers_of(pid):
    """The processes that a process has started."""
    return [
        int(child)
        for task in os.listdir(f"/proc/{pid}/task")
        for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split()
    ]


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


needs_children = pytest.mark.skipif(
    not Path(f"/proc/self/task/{os.getpid()}/children").exists(),
    reason="the system does not list a process's children",
)


@needs_children
def test_killed_and_resumed_it_ends_as_an_unbroken_run_and_leaves_no_process(unbroken, tmp_path):
    class_folders(tmp_path / "p", n=6)
    process = start(LONGER, tmp_path)
    wait_for(tmp_path / "run" / "history.csv", process)
    workers = workers_of(process.pid)
    assert len(workers) == 2
    process.send_signal(signal.SIGKILL)
    process.communicate()
    result = in_a_process("finetune", "--resume", "--out", "run", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    same(unbroken, tmp_path / "run")
    assert not any(map(is_running, workers))


@needs_children
def test_ctrl_c_leaves_what_there_is_says_how_to_resume_and_leaves_no_process(unbroken, tmp_path):
    class_folders(tmp_path / "p", n=6)
    process = start(LONGER, tmp_path)
    wait_for(tmp_path / "run" / "history.csv", process)
    workers = workers_of(process.pid)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate()
    assert process.returncode == 130, errors
    assert "resume with: minires finetune --resume --out run" in output
    assert "Traceback" not in errors
    assert (tmp_path / "run" / "finetune.png").exists()
    assert not any(map(is_running, workers))
    assert in_a_process("finetune", "--resume", "--out", "run", cwd=tmp_path).returncode == 0
    same(unbroken, tmp_path / "run")


def test_plot_says_what_a_run_of_fine_tuning_is(finished):
    place, _ = finished
    said = "runs/finetune-1 is one of minires finetune, whose figures are in its folder; plot draws"
    fails(minires("plot", "runs/finetune-1", cwd=place), 2, said)


def test_the_help_names_every_option():
    text = minires("finetune", "--help", cwd=".").stdout
    for option in ("--model", "--weights", "--epochs", "--val-split", "--freeze", "--strict"):
        assert option in text
    text = minires("classify", "--help", cwd=".").stdout
    for option in ("--model", "--weights", "--labels", "--cam", "--strict"):
        assert option in text
