import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from minires import files, manual_seed, save_weights
from minires.data import digits
from minires.errors import DamageWarning, DataError, RunError, UsageError
from minires.models import cifar_net
from minires.runs import RunFolder, read_history
from minires.runs.checkpoint import read_checkpoint, undamaged_weights
from minires.train import Recipe, Row, Trainer
from minires.weights import safetensors_file
from minires.weights.safetensors_file import write_tensors

DATA = digits()
RECIPE = Recipe(batch_size=100, lr=0.05, iterations=8)


def trainer():
    manual_seed(0)
    return Trainer("resnet8", cifar_net("resnet8", 10, 1), DATA, RECIPE, RECIPE.schedule(8), 0)


@pytest.fixture
def run(tmp_path):
    """A run with checkpoints after steps 3 and 5; its folder, and the weights at its end."""
    folder = RunFolder.create(tmp_path / "run", {})
    training = trainer()
    for progress in training.run():
        if progress.iteration in (3, 5):
            folder.save(training)
    return folder, training.model.state_dict()


def checkpoint(folder, of=""):
    return folder.path / "checkpoints" / f"resnet8-seed0{of}.safetensors"


def resumes_from(folder, iteration, weights):
    """The training resumes after that step, and ends with these weights to the bit."""
    training = trainer()
    folder.restore(training)
    assert training.iteration == iteration
    for _ in training.run():
        pass
    for name, array in training.model.state_dict().items():
        assert array.tobytes() == weights[name].tobytes(), name


def flipped(content, i):
    return content[:i] + bytes([content[i] ^ 1]) + content[i + 1 :]


DAMAGES = {
    "cut short": lambda b: b[: len(b) // 2],
    "four bytes short": lambda b: b[:-4],
    "empty": lambda b: b"",
    "zeroed": lambda b: bytes(len(b)),
    "a block zeroed": lambda b: b[:20_000] + bytes(4096) + b[24_096:],
    "a bit of its numbers": lambda b: flipped(b, len(b) - 1000),
    "a bit of its metadata": lambda b: b.replace(b'\\"wrong\\": ', b'\\"wrong\\": 1', 1),
    "its format": lambda b: b.replace(b'\\"format\\": 2', b'\\"format\\": 1', 1),
    "its checksum taken out": lambda b: b.replace(b"sha256", b"sha255", 1),
    "two blocks swapped": lambda b: b[:-8192] + b[-4096:] + b[-8192:-4096],
}


def test_a_new_run_writes_its_configuration(tmp_path):
    RunFolder.create(tmp_path / "a" / "run", {"epochs": 3})
    _, config = RunFolder.open(tmp_path / "a" / "run")
    assert config == {"epochs": 3}


def test_a_folder_that_holds_something_is_not_touched(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"not empty; add --resume"):
        RunFolder.create(tmp_path, {})
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_file_instead_of_a_folder_raises(tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        RunFolder.create(tmp_path / "run", {})
    assert (tmp_path / "run").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file/run cannot be written: Not a directory"):
        RunFolder.create(tmp_path / "file" / "run", {})


def test_a_folder_without_a_run_raises(tmp_path):
    with pytest.raises(UsageError, match="there is no run in"):
        RunFolder.open(tmp_path)


def test_a_folder_killed_before_its_first_file_can_be_used(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".config.json.x.partial").write_text("")
    RunFolder.create(tmp_path / "run", {})


def test_a_name_too_long_is_a_sentence(tmp_path):
    with pytest.raises(RunError, match="cannot be read: File name too long"):
        RunFolder.create(tmp_path / ("x" * 300), {})
    with pytest.raises(RunError, match="File name too long"):
        RunFolder.open(tmp_path / ("x" * 300))


@pytest.mark.parametrize("content", ["", "{", "[]", "5", '{"epochs": 3}', "[" * 100_000])
def test_an_altered_configuration_raises(tmp_path, content):
    RunFolder.create(tmp_path / "run", {})
    (tmp_path / "run" / "config.json").write_text(content)
    with pytest.raises(RunError, match=r"config\.json is not a run's configuration"):
        RunFolder.open(tmp_path / "run")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_configuration_that_is_no_file_is_a_sentence_and_not_waited_for(tmp_path, make):
    make(tmp_path / "config.json")
    with pytest.raises(RunError, match=r"config\.json cannot be read: (not a regular|Is a dir)"):
        RunFolder.open(tmp_path)


def test_another_format_raises_with_its_number(tmp_path):
    RunFolder.create(tmp_path / "run", {})
    (tmp_path / "run" / "config.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(RunError, match="format 99; this minires reads formats 1 and 2"):
        RunFolder.open(tmp_path / "run")


def test_a_run_of_an_older_format_is_read(tmp_path):
    RunFolder.create(tmp_path / "run", {})
    (tmp_path / "run" / "config.json").write_text(json.dumps({"format": 1, "epochs": 3}))
    assert RunFolder.open(tmp_path / "run")[1] == {"epochs": 3}


def test_a_training_resumes_from_its_last_checkpoint(run):
    folder, weights = run
    resumes_from(folder, 5, weights)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_is_renamed_and_the_previous_one_used(run, damage):
    folder, weights = run
    damaged = damage(checkpoint(folder).read_bytes())
    assert damaged != checkpoint(folder).read_bytes()
    checkpoint(folder).write_bytes(damaged)
    with pytest.warns(
        DamageWarning, match=r"resnet8-seed0\.safetensors cannot be used: .*; the previous"
    ):
        resumes_from(folder, 3, weights)
    assert checkpoint(folder, ".damaged").read_bytes() == damaged
    resumes_from(folder, 3, weights)  # without a warning


@pytest.mark.parametrize(
    "facts",
    [
        *(
            None,
            [],
            "text",
            5,
            {},
            {"format": None},
            {"format": "2"},
            {"format": [[[[[[[[2]]]]]]]]},
        ),
        *({"format": float("nan")}, {"format": 1}, {"format": True}, {"format": 2}),
    ],
)
def test_facts_that_no_checkpoint_has_are_damage(run, facts):
    folder, weights = run
    tensors, _ = read_checkpoint(checkpoint(folder))
    write_tensors(checkpoint(folder), tensors, facts)
    with pytest.warns(DamageWarning, match=r"seed0\.safetensors cannot be used: .*; the previous"):
        resumes_from(folder, 3, weights)


def test_facts_nested_too_deeply_are_damage(run):
    folder, weights = run
    for depth in (300, 900, 990, 5000):
        write_tensors(checkpoint(folder), {}, {})
        content = checkpoint(folder).read_bytes()
        facts = b'{\\"sha256\\": \\"\\", \\"x\\": ' + b"[" * depth + b"]" * depth + b"}"
        header = content[8:].strip().replace(b"{}", facts)
        header += b" " * (-len(header) % 8)
        checkpoint(folder).write_bytes(len(header).to_bytes(8, "little") + header)
        with pytest.warns(DamageWarning):
            resumes_from(folder, 3, weights)


def unreadable(monkeypatch, module, name):
    """The system lets no file with this name be opened, as one of mode 000."""

    def denied(path, *mode, **how):
        if os.path.basename(path) == name:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return open(path, *mode, **how)

    monkeypatch.setattr(module, "open", denied, raising=False)


def test_a_checkpoint_that_cannot_be_read_is_not_damaged(run, monkeypatch):
    folder, weights = run
    before = sorted(folder.path.rglob("*"))
    unreadable(monkeypatch, safetensors_file, "resnet8-seed0.safetensors")
    with pytest.raises(RunError, match=r"seed0\.safetensors cannot be read: Permission denied$"):
        folder.restore(trainer())
    assert sorted(folder.path.rglob("*")) == before
    monkeypatch.undo()
    resumes_from(folder, 5, weights)


def test_a_folder_of_checkpoints_that_cannot_be_looked_into_is_a_sentence(run, monkeypatch):
    def denied(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "exists", denied)
    with pytest.raises(RunError, match=r"seed0\.safetensors cannot be read: Permission denied"):
        run[0].restore(trainer())


@pytest.mark.parametrize("name", ["history.csv", "history.csv.sha256", "history.previous.csv"])
def test_a_history_that_cannot_be_read_is_not_damaged(run, monkeypatch, name):
    folder, _ = run
    row = Row(0, "resnet8", 4, 1.0, 0.1, 2.0, 50.0, 50.0, 1.0)
    for rows in ([], [row]):
        folder.write_history(rows)
    path = folder.path / "history.csv"
    if name == "history.previous.csv":
        path.unlink()
    unreadable(monkeypatch, files, name)
    with pytest.raises(RunError, match=rf"{name} cannot be read: Permission denied"):
        read_history(path)
    if name != "history.previous.csv":
        with pytest.raises(RunError, match=r"history\.csv cannot be written: Permission denied"):
            folder.write_history([row, row])
        monkeypatch.undo()
        assert read_history(path) == [row]


def test_a_configuration_that_cannot_be_read_is_a_sentence(run, monkeypatch):
    unreadable(monkeypatch, files, "config.json")
    with pytest.raises(RunError, match=r"config\.json cannot be read: Permission denied$"):
        RunFolder.open(run[0].path)


def test_every_bit_of_weights_is_checked_and_older_ones_without_a_checksum_are_read(run):
    folder, _ = run
    model = trainer().model
    folder.save_weights("a", model)
    path = folder.weights("a")
    assert undamaged_weights(path) == path
    content = path.read_bytes()
    chance = np.random.default_rng(0)
    start = 8 + int.from_bytes(content[:8], "little")
    for position in chance.integers(start, len(content), size=20):
        path.write_bytes(flipped(content, int(position)))
        with pytest.raises(DataError, match=r"a\.safetensors is damaged: its numbers"):
            undamaged_weights(path)
    save_weights(model, path)
    assert undamaged_weights(path) == path


def test_a_damaged_checkpoint_never_becomes_the_previous_one(run):
    folder, weights = run
    checkpoint(folder).write_bytes(b"")
    training = trainer()
    with pytest.warns(DamageWarning):
        folder.restore(training)
    next(training.run())
    folder.save(training)
    checkpoint(folder).write_bytes(b"")
    with pytest.warns(DamageWarning):
        resumes_from(folder, 3, weights)


def test_killed_between_the_two_renames_a_training_resumes_from_the_previous_one(run):
    folder, weights = run
    checkpoint(folder).unlink()
    resumes_from(folder, 3, weights)


def test_two_damaged_checkpoints_raise_with_their_names(run):
    folder, _ = run
    for of in ("", ".previous"):
        checkpoint(folder, of).write_bytes(b"x" * 99)
    with pytest.raises(RunError, match=r"seed0\.saf.*seed0\.previous\.saf.*remove both to train"):
        folder.restore(trainer())


def test_every_bit_of_a_checkpoint_is_checked(run):
    """Anywhere in the file, except for blanks in its header."""
    path = checkpoint(run[0])
    content, (tensors, metadata) = path.read_bytes(), read_checkpoint(path)
    header = 8 + int.from_bytes(content[:8], "little")
    chance = np.random.default_rng(0)
    detected = 0
    for position in [*chance.integers(header, size=100), *chance.integers(len(content), size=50)]:
        path.write_bytes(flipped(content, int(position)))
        try:
            read, found = read_checkpoint(path)
        except (DataError, RunError):
            detected += 1
            continue
        assert found == metadata
        assert all(read[name].tobytes() == tensors[name].tobytes() for name in tensors)
    assert detected > 140


def test_a_checkpoint_of_an_older_format_is_read_and_of_a_newer_one_raises(run):
    folder, weights = run
    tensors, metadata = read_checkpoint(checkpoint(folder))
    write_tensors(checkpoint(folder), tensors, {**metadata, "format": 1})
    resumes_from(folder, 5, weights)
    write_tensors(checkpoint(folder), tensors, {**metadata, "format": 3})
    with pytest.raises(RunError, match=r"seed0\.safetensors has format 3; this minires reads"):
        folder.restore(trainer())
    assert checkpoint(folder).exists()


def test_a_full_disk_leaves_the_last_checkpoint_and_the_previous_one(run, monkeypatch):
    folder, weights = run
    training = trainer()
    folder.restore(training)
    next(training.run())

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(RunError, match="cannot be written: No space left on device; the files"):
        folder.save(training)
    resumes_from(folder, 5, weights)
    checkpoint(folder).unlink()
    resumes_from(folder, 3, weights)


def test_a_full_disk_is_a_sentence_and_what_was_there_stays(tmp_path, monkeypatch):
    folder = RunFolder.create(tmp_path / "run", {})
    folder.write("summary.md", b"good")

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(RunError, match=r"summary\.md cannot be written: No space left on device"):
        folder.write("summary.md", b"bad")
    assert (tmp_path / "run" / "summary.md").read_text() == "good"
    assert not list((tmp_path / "run").glob(".*partial"))


def test_a_machine_is_noted_with_the_first_checkpoint_that_it_writes(tmp_path):
    folder = RunFolder.create(tmp_path / "run", {"machine": {"threads": 1}})
    folder.resumed_on = [{"threads": 3}]
    assert "resumed_on" not in RunFolder.open(folder.path)[1], "nothing was computed there"
    with folder.locked():
        folder.save(trainer())
        assert RunFolder.open(folder.path)[1]["resumed_on"] == [{"threads": 3}]
        config = folder.path / "config.json"
        config.unlink()  # it is not written again
        folder.save(trainer())
        assert not config.exists()
