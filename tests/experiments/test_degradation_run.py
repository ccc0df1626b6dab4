import csv
import itertools
import json
import shutil
from dataclasses import asdict, replace
from itertools import product

import numpy as np
import pytest
from standin import standin

from minires.data import digits
from minires.errors import DeviceError, NonFiniteError, RunError, UsageError
from minires.experiments.degradation import Config, Degradation
from minires.inspect import forward_hook, memory
from minires.modes import modes
from minires.parallel.ranks import Ranks
from minires.runs import read_history

DATA = digits()
TINY = Config(nets=("plain8", "resnet8"), epochs=1, seeds=(0, 1))


def finish(run):
    for _ in run.run():
        pass


def resume(out, **asked):
    return Degradation.resume(asked, out, lambda config: DATA)


def history(out):
    return [replace(row, seconds=0) for row in read_history(out / "history.csv")]


def files(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "unbroken"
    finish(Degradation.start(TINY, DATA, out))
    return out


def test_a_run_leaves_its_files(unbroken):
    assert {p.name for p in unbroken.iterdir()} == {
        *("config.json", "history.csv", "degradation.png", "summary.md"),
        *("history.previous.csv", "history.csv.sha256", "checkpoints", "weights"),
    }
    assert [(row.seed, row.net) for row in history(unbroken)] == [
        *((0, "plain8"), (0, "resnet8"), (1, "plain8"), (1, "resnet8"))
    ]
    config = json.loads((unbroken / "config.json").read_text())
    assert config["nets"] == ["plain8", "resnet8"]
    assert config["recipe"]["batch_size"] == 32
    assert config["data_sha256"] == DATA.digest


def test_the_same_run_again_gives_the_same_bits(unbroken, tmp_path):
    finish(Degradation.start(TINY, DATA, tmp_path / "again"))
    assert history(tmp_path / "again") == history(unbroken)
    assert files(tmp_path / "again" / "weights") == files(unbroken / "weights")


@pytest.mark.parametrize("steps", [1, 50, 100])
def test_a_run_stopped_anywhere_is_resumed_to_the_same_bits(unbroken, tmp_path, steps):
    out = tmp_path / "stopped"
    for count, _ in enumerate(Degradation.start(TINY, DATA, out).run(), start=1):
        if count == steps:  # as after a SIGKILL: nothing is saved on the way out
            break
    finish(resume(out))
    assert history(out) == history(unbroken)
    assert files(out / "weights") == files(unbroken / "weights")


def test_asked_to_stop_it_saves_the_very_step(unbroken, tmp_path):
    out = tmp_path / "asked"
    steps = 0

    def stop():
        nonlocal steps
        steps += 1
        return steps == 60  # 15 steps into the second net

    run = Degradation.start(TINY, DATA, out)
    last = list(run.run(stop))[-1]
    assert (last.trainer.net, last.progress.iteration) == ("resnet8", 15)
    assert (out / "degradation.png").exists()
    assert "not finished" in (out / "summary.md").read_text()
    first = next(iter(e for e in resume(out).run() if e.trainer.net == "resnet8"))
    assert first.progress.iteration == 16
    finish(resume(out))
    assert history(out) == history(unbroken)


def test_nets_stopped_after_some_epochs_are_resumed_to_the_same_bits(tmp_path):
    longer = replace(TINY, epochs=2, seeds=(0,))
    finish(Degradation.start(longer, DATA, tmp_path / "unbroken"))
    out = tmp_path / "pieces"
    run = Degradation.start(longer, DATA, out, until=1)
    finish(run)
    assert not run.stopped
    every = [(seed, net) for seed in longer.seeds for net in longer.nets]
    assert [(row.seed, row.net, row.epoch) for row in history(out)] == [(*net, 1) for net in every]
    assert "not finished" in (out / "summary.md").read_text()
    assert not (out / "weights").exists()
    again = Degradation.resume({}, out, lambda config: DATA, until=1)
    assert [event.progress for event in again.run()] == [None, None]
    finish(resume(out))
    assert history(out) == history(tmp_path / "unbroken")
    assert files(out / "weights") == files(tmp_path / "unbroken" / "weights")
    with pytest.raises(UsageError, match="after 1 epoch or more, got 0"):
        Degradation.start(longer, DATA, tmp_path / "none", until=0)
    assert not (tmp_path / "none").exists()


def few():
    """Images for epochs of 4 iterations."""
    parts = {f"{part}_{what}": 100 for part in ("train", "test") for what in ("images", "labels")}
    return replace(DATA, **{name: getattr(DATA, name)[:most] for name, most in parts.items()})


def kill_after(steps, run):
    """End a run as a SIGKILL would: nothing is saved on the way out."""
    assert sum(1 for _ in itertools.islice(run.run(), steps)) == steps


def test_a_finished_run_given_more_epochs_trains_on_from_its_end(tmp_path):
    def go_on(folder, **asked):
        return Degradation.resume(asked, tmp_path / folder, lambda config: few())

    finish(Degradation.start(replace(TINY, epochs=2, seeds=(0,)), few(), tmp_path / "run"))
    before = history(tmp_path / "run")
    shutil.copytree(tmp_path / "run", tmp_path / "killed")
    run = go_on("run", epochs=4)
    assert next(run.run()).progress.iteration == 9, "from the checkpoint, not from the start"
    finish(go_on("run"))
    rows = history(tmp_path / "run")
    assert [row for row in rows if row.epoch <= 2] == before
    assert [(row.net, row.epoch) for row in rows] == [*product(TINY.nets, (1, 2, 3, 4))]
    assert {row.lr for row in rows if row.epoch > 1} == {before[-1].lr}, "the rate it ended with"
    facts = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (facts["epochs"], facts["added"], facts["recipe"]["added"]) == (4, 8, 8)
    said = (tmp_path / "run" / "summary.md").read_text()
    assert "first to end after epoch 2, and was then trained on to epoch 4, each" in said
    assert "divided by 10 after a half and three quarters of the first 8;" in said
    assert [event.progress for event in go_on("run").run()] == [None] * 2
    ended = files(tmp_path / "run" / "weights")
    # The same in pieces: killed within the third epoch of the second net, and given one more.
    kill_after(4 + 2, go_on("killed", epochs=3))
    assert "not finished" in (tmp_path / "killed" / "summary.md").read_text()
    assert [*files(tmp_path / "killed" / "weights")] == ["plain8-seed0.safetensors"], "of one end"
    kill_after(3, go_on("killed"))
    finish(go_on("killed", epochs=4))
    assert history(tmp_path / "killed") == rows
    assert files(tmp_path / "killed" / "weights") == ended
    # And given more before it had ended.
    kill_after(5, Degradation.start(replace(TINY, epochs=2, seeds=(0,)), few(), tmp_path / "early"))
    finish(go_on("early", epochs=4))
    assert history(tmp_path / "early") == rows
    assert files(tmp_path / "early" / "weights") == ended


def test_fewer_epochs_raise_and_as_many_change_nothing(tmp_path):
    out = tmp_path / "run"
    Degradation.start(Config(nets=("resnet8",)), DATA, out)  # of 12 epochs, without saying so
    before = (out / "config.json").read_bytes()
    for epochs, sentence in ((11, "has 12 epochs, and can be given more, but 11"), (0, "got 0")):
        with pytest.raises(UsageError, match=sentence):
            resume(out, epochs=epochs)
    with pytest.raises(UsageError, match=r"has lr = None, but 0\.5 was asked for"):
        resume(out, epochs=20, lr=0.5)
    assert resume(out, epochs=12).config.epochs is None
    assert (out / "config.json").read_bytes() == before
    assert resume(out, epochs=20).config == resume(out).config == resume(out, epochs=20).config


def test_a_finished_run_has_nothing_left_to_do(unbroken):
    before = files(unbroken / "weights")
    assert [event.progress for event in resume(unbroken).run()] == [None] * 4
    assert files(unbroken / "weights") == before
    assert len(history(unbroken)) == 4


def test_killed_between_checkpoint_and_the_rest_a_run_loses_nothing(unbroken, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(unbroken, out)
    for path in (out / "weights").iterdir():
        path.unlink()
    (out / "history.csv").unlink()
    events = resume(out).run()
    next(events)
    assert history(out) == history(unbroken)  # whole at once, not net by net
    list(events)
    assert files(out / "weights") == files(unbroken / "weights")


def test_asked_to_stop_at_its_last_step_a_run_is_not_stopped(tmp_path):
    config = replace(TINY, nets=("plain8",), seeds=(0,))
    run = Degradation.start(config, DATA, tmp_path / "run")
    steps = itertools.count(1)
    events = list(run.run(lambda: next(steps) == 45))
    assert events[-1].trainer.finished
    assert not run.stopped


def test_the_checkpoint_of_another_net_or_seed_raises(unbroken, tmp_path):
    shutil.copytree(unbroken, tmp_path / "run")
    checkpoints = tmp_path / "run" / "checkpoints"
    for other, said in (("plain8-seed0", "net 'plain8'"), ("resnet8-seed1", "seed 1")):
        shutil.copy(checkpoints / f"{other}.safetensors", checkpoints / "resnet8-seed0.safetensors")
        with pytest.raises(RunError, match=f"it is of {said}"):
            finish(resume(tmp_path / "run"))


def test_checkpoints_come_by_the_clock_too(tmp_path):
    run = Degradation.start(TINY, DATA, tmp_path / "run")
    run.autosave_interval = 0.0
    for event in run.run():
        if event.progress.iteration == 3:
            break
    events = resume(tmp_path / "run").run()
    assert next(events).progress.iteration == 4


def test_a_nan_stops_the_run_and_the_last_good_checkpoint_stays(unbroken, tmp_path):
    out = tmp_path / "run"
    run = Degradation.start(TINY, DATA, out)
    spot = r"loss is nan at iteration 5: Conv2d \(layer1\.0\.conv1"
    with pytest.raises(NonFiniteError, match=spot):  # noqa: PT012 - it is the loop that raises
        for event in run.run():
            if event.trainer.net == "resnet8" and event.progress.iteration == 5:
                run.folder.save(event.trainer)
                event.trainer.model.layer1[0].conv1.weight.data[0] = np.nan
    finish(resume(out))
    assert history(out) == history(unbroken)


def test_an_existing_run_is_never_overwritten(unbroken):
    before = files(unbroken / "checkpoints")
    with pytest.raises(UsageError, match="not empty; add --resume"):
        Degradation.start(TINY, DATA, unbroken)
    assert files(unbroken / "checkpoints") == before


@pytest.mark.parametrize("asked", [False, True])
def test_a_run_in_tf32_is_trained_and_tested_in_it(tmp_path, asked):
    seen = set()
    config = replace(TINY, backend="cupy", tf32=asked)
    with standin():
        steps = Degradation.start(config, DATA, tmp_path / "run").run()
        with forward_hook(lambda *_: seen.add(modes.tf32)):
            trainer = next(steps).trainer
            assert not modes.tf32  # between two steps
            assert seen == {asked}
            seen.clear()
            trainer.test_error()
    assert seen == {asked}
    with pytest.raises(UsageError, match="on the cupy backend, not on numpy"):
        replace(TINY, tf32=True, backend="numpy")


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"nets": ("plain8",)}, "has nets = plain8,resnet8, but plain8 was asked for"),
        ({"seeds": (0,)}, "has seeds = 0,1, but 0 was asked for"),
        ({"lr": 0.5}, "has lr = None, but 0.5 was asked for"),
        ({"dataset": "cifar10"}, "has dataset = digits, but cifar10 was asked for"),
    ],
)
def test_another_configuration_raises(unbroken, asked, sentence):
    with pytest.raises(UsageError, match=sentence):
        resume(unbroken, **asked)


def test_the_same_options_again_are_welcome(unbroken):
    assert resume(unbroken, epochs=1, seeds=(0, 1)).config == TINY


def test_other_data_raise(unbroken):
    with pytest.raises(UsageError, match="the data is not what the run"):
        Degradation.resume({}, unbroken, lambda config: DATA.with_validation())


def test_another_recipe_raises(unbroken, tmp_path):
    finish(Degradation.start(replace(TINY, nets=("plain8",), seeds=(0,)), DATA, tmp_path / "run"))
    path = tmp_path / "run" / "config.json"
    path.write_text(path.read_text().replace('"momentum": 0.9', '"momentum": 0.8'))
    with pytest.raises(RunError, match="another version of minires"):
        resume(tmp_path / "run")


@pytest.mark.parametrize(
    "damage", [lambda b: b[:100], lambda b: b[:-4], lambda b: b"", lambda b: b"x" * 99]
)
def test_a_damaged_checkpoint_without_one_before_it_raises_with_its_name(tmp_path, damage):
    out = tmp_path / "run"
    finish(Degradation.start(replace(TINY, seeds=(0,)), DATA, out))
    path = out / "checkpoints" / "plain8-seed0.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(RunError, match=r"plain8-seed0\.safetensors cannot be used"):
        finish(resume(out))


@pytest.mark.parametrize(
    "change",
    [
        *({"nets": 5}, {"nets": ["plain21"]}, {"nets": [5]}, {"epochs": "two"}, {"epochs": True}),
        *({"seeds": [-1]}, {"seeds": [0.5]}, {"lr": "0.1"}, {"dataset": ["digits"]}),
    ],
)
def test_an_altered_configuration_raises(unbroken, tmp_path, change):
    (tmp_path / "config.json").write_text(
        json.dumps({**json.loads((unbroken / "config.json").read_text()), **change})
    )
    with pytest.raises(RunError, match="was altered"):
        resume(tmp_path)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"nets": ("plain21",)}, r"no net 'plain21'.*6n \+ 2"),
        ({"nets": ("resnet08",)}, "no net 'resnet08'"),
        ({"nets": ("vgg16",)}, "no net 'vgg16'"),
        ({"nets": ()}, "at least one net"),
        ({"nets": ("plain20", "plain20")}, "given twice"),
        ({"seeds": (1, 1)}, "given twice"),
        ({"seeds": (-1,)}, "at least 0, got -1"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"warmup": 0}, "warmup must be at least 1, got 0"),
        ({"batch": 1}, "batch must be at least 2, got 1"),
        ({"checkpoint_every": 0}, "checkpoint_every must be at least 1, got 0"),
        ({"lr": 0.0}, "above 0 and finite, got 0.0"),
        ({"lr": float("nan")}, "above 0 and finite, got nan"),
        ({"dataset": "mnist"}, "no dataset 'mnist'"),
        ({"schedule": "slow"}, "no schedule 'slow'.*quick, paper"),
        ({"backend": "torch"}, "no backend 'torch'.*numpy, cupy"),
    ],
)
def test_what_cannot_be_meant_raises(options, sentence):
    with pytest.raises(UsageError, match=sentence):
        Config(**options)


def test_a_backend_that_cannot_be_used_says_why_and_leaves_nothing(monkeypatch, tmp_path):
    def no_cupy(name):
        raise ImportError("No module named 'cupy'")

    monkeypatch.setattr("minires.backend.library.importlib.import_module", no_cupy)
    with pytest.raises(DeviceError, match=r"No module named 'cupy'.*install cupy-cuda12x"):
        Degradation.start(Config(backend="cupy"), DATA, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_checkpointing_gives_the_same_bits(unbroken, tmp_path):
    config = replace(TINY, checkpoint_every=1, seeds=(0,))
    run = Degradation.start(config, DATA, tmp_path / "run")
    assert next(run.run()).trainer.model.layer1.checkpoint_every == 1
    finish(resume(tmp_path / "run"))
    assert history(tmp_path / "run") == history(unbroken)[:2]
    weights = files(tmp_path / "run" / "weights")
    assert weights.items() <= files(unbroken / "weights").items()


def test_a_batch_of_another_size_makes_the_epoch_as_long(tmp_path):
    config = Config(nets=("preact11",), epochs=1, batch=100)
    run = Degradation.start(config, DATA, tmp_path / "run")
    finish(run)
    assert [row.iteration for row in run.rows] == [15]
    assert "15 iterations at batch 100" in (tmp_path / "run" / "summary.md").read_text()


def test_nets_that_do_not_fit_raise_before_anything_is_written(unbroken, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda _: 20_000_000)
    deep = replace(TINY, nets=("plain8", "resnet44"))
    with pytest.raises(UsageError, match=r"resnet44 at batch 32 .*--checkpoint-every \d+ needs"):
        Degradation.start(deep, DATA, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    Degradation.start(replace(deep, checkpoint_every=3), DATA, tmp_path / "run")
    monkeypatch.setattr(memory, "available", lambda _: 1_000)
    with pytest.raises(UsageError, match="choose a smaller model"):
        resume(unbroken)


def test_a_run_of_before_the_batch_could_be_chosen_is_resumed(unbroken, tmp_path):
    shutil.copytree(unbroken, tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    facts = json.loads(path.read_text())
    del facts["batch"], facts["checkpoint_every"]
    path.write_text(json.dumps(facts))
    assert resume(tmp_path / "run").config == TINY


def test_validation_keeps_the_test_images_out(tmp_path):
    config = replace(TINY, nets=("plain8",), seeds=(0,), validation=True)
    run = Degradation.start(config, DATA, tmp_path / "run")
    assert len(run.dataset.train_images) == 1150
    assert (run.dataset.test_images == DATA.train_images[1150:]).all()
    finish(run)
    assert "validation split" in (tmp_path / "run" / "summary.md").read_text()


def test_history_is_what_the_trainers_measured(unbroken):
    with (unbroken / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["epoch"]) for row in rows] == [1] * 4
    assert all(0 <= float(row["test_error"]) <= 100 for row in rows)


def test_the_configuration_survives_json(unbroken):
    facts = json.loads((unbroken / "config.json").read_text())
    assert asdict(Config.from_facts(facts, unbroken)) == asdict(TINY)


def test_the_rate_is_scaled_with_the_batch_and_rises_over_the_first_epochs():
    recipe = Config(batch=128, scale_lr=True, warmup=2).recipe(DATA)
    assert (recipe.lr, recipe.warmup) == (0.04, 2 * 12)  # 128 is 4 times 32, and 12 an epoch
    assert Config(batch=128, scale_lr=True, lr=0.02).recipe(DATA).lr == 0.08
    assert Config(scale_lr=True).recipe(DATA) == Config().recipe(DATA)


def test_the_ranks_of_a_run_must_be_numbers(tmp_path):
    Degradation.start(TINY, DATA, tmp_path / "run")
    file = tmp_path / "run" / "config.json"
    facts = json.loads(file.read_text())
    assert facts["ranks"] == [1]
    assert "warmup" not in facts["recipe"]  # as in older runs
    file.write_text(json.dumps({**facts, "ranks": ["many"]}))
    with pytest.raises(RunError, match="ranks is 'many', expected an integer"):
        Degradation.resume({}, tmp_path / "run", lambda config: DATA)
    del facts["ranks"]  # as in older runs
    file.write_text(json.dumps(facts))
    assert Degradation.resume({}, tmp_path / "run", lambda config: DATA).ranks_used == (1,)


def test_ranks_that_are_too_many_raise_before_there_is_a_folder(tmp_path):
    class Many(Ranks):
        size = 32

        def __init__(self):
            self.rank, self.comm = 0, None

    with pytest.raises(UsageError, match="last batch of an epoch has 29 images, too few for 32"):
        Degradation.start(TINY, DATA, tmp_path / "run", ranks=Many())
    with pytest.raises(UsageError, match="a graph holds no messages between ranks"):
        Degradation.start(TINY, DATA, tmp_path / "run", graph=True, ranks=Many())
    assert not (tmp_path / "run").exists()
