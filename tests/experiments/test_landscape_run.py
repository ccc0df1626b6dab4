import csv
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from minires.data import digits
from minires.errors import DamageWarning, DataError, NonFiniteError, RunError, UsageError
from minires.experiments.degradation.config import SCHEDULES, Config
from minires.experiments.degradation.run import Degradation
from minires.experiments.landscape import planes
from minires.experiments.landscape import run as landscape_run
from minires.experiments.landscape.config import LandscapeConfig
from minires.experiments.landscape.figure import landscape_figure
from minires.experiments.landscape.run import Landscape
from minires.train import quick_recipe

DATA = digits()
NETS = ("plain8", "resnet8")


@pytest.fixture(scope="module", autouse=True)
def _quick():
    """A training is one epoch, and a figure is the numbers that it would show."""

    def numbers(surfaces, caption):
        return b"".join(t.encode() + s.losses.tobytes() for t, s in surfaces.items())

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(
            SCHEDULES, "quick", lambda data, epochs, batch: quick_recipe(data, epochs or 1)
        )
        patch.setattr(landscape_run, "landscape_figure", numbers)
        yield


def load_data(config):
    return DATA


def finish(run):
    return list(run.run())


def lines(out):
    with (out / "landscape.csv").open() as file:
        return list(csv.DictReader(file))


def files(out):
    return {name: (out / name).read_bytes() for name in ("landscape.csv", "landscape.png")}


@pytest.fixture(scope="module")
def nets(tmp_path_factory):
    """A run of the degradation experiment that is finished."""
    out = tmp_path_factory.mktemp("nets") / "run"
    finish(Degradation.start(Config(nets=NETS), DATA, out))
    return out


@pytest.fixture(scope="module")
def tiny(nets):
    return LandscapeConfig(NETS, points=5, images=32, run=str(nets))


@pytest.fixture(scope="module")
def unbroken(tiny, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "unbroken"
    finish(Landscape.start(tiny, out, load_data))
    return out


def resume(out, **asked):
    return Landscape.resume(asked, out, load_data)


# --- what a run leaves --------------------------------------------------------------------------


def test_a_run_leaves_its_files(unbroken):
    assert {p.name for p in unbroken.iterdir()} == {
        *("config.json", "landscape.csv", "landscape.png", "summary.md"),
        *("landscape.previous.csv", "landscape.csv.sha256"),
    }
    rows = lines(unbroken)
    assert list(rows[0]) == ["net", "alpha", "beta", "loss", "error"]
    assert [row["net"] for row in rows] == ["plain8"] * 25 + ["resnet8"] * 25
    assert [(float(row["alpha"]), float(row["beta"])) for row in rows[:25]] == [
        (a, b) for a in (-1, -0.5, 0, 0.5, 1) for b in (-1, -0.5, 0, 0.5, 1)
    ]
    losses = np.array([float(row["loss"]) for row in rows])
    assert np.isfinite(losses).all()
    assert len(np.unique(losses)) == 50


def test_the_same_run_again_gives_the_same_bits(unbroken, tiny, tmp_path):
    finish(Landscape.start(tiny, tmp_path / "again", load_data))
    assert files(tmp_path / "again") == files(unbroken)


def test_the_figure_is_drawn(unbroken, tmp_path, monkeypatch):
    monkeypatch.setattr(landscape_run, "landscape_figure", landscape_figure)
    shutil.copytree(unbroken, tmp_path / "run")
    resume(tmp_path / "run").report()
    assert (tmp_path / "run" / "landscape.png").read_bytes().startswith(b"\x89PNG")


def test_every_point_is_given_out(tiny, tmp_path):
    events = finish(Landscape.start(tiny, tmp_path / "run", load_data))
    assert [(e.net, e.done) for e in events] == [(net, n) for net in NETS for n in range(26)]
    assert [e.point is None for e in events] == ([True] + [False] * 25) * 2
    assert {e.total for e in events} == {25}


def test_without_a_run_the_nets_are_trained_first_and_once(tmp_path):
    out = tmp_path / "run"
    config = LandscapeConfig(("plain8",), points=3, images=32, net_seed=3)
    run = Landscape.start(config, out, load_data)
    training = run.training()
    list(training.run(stop=lambda: True))  # after its first step
    run = resume(out)
    assert next(run.training().run()).progress.iteration == 2
    finish(run.training())
    assert run.training() is None
    finish(run)
    assert (out / "training" / "weights" / "plain8-seed3.safetensors").exists()
    assert resume(out).training() is None

    other = LandscapeConfig(("plain8",), 3, images=32, net_seed=3, run=str(out / "training"))
    finish(Landscape.start(other, tmp_path / "other", load_data))
    assert files(tmp_path / "other") == files(out)


def test_a_net_is_that_of_the_seed_asked_for(tiny, nets, tmp_path):
    finish(Degradation.start(Config(nets=("plain8",), seeds=(0, 1)), DATA, tmp_path / "n"))
    asked = replace(tiny, nets=("plain8",), run=str(tmp_path / "n"))
    for seed in (0, 1):
        finish(Landscape.start(replace(asked, net_seed=seed), tmp_path / f"{seed}", load_data))
    centres = [lines(tmp_path / f"{seed}")[12]["loss"] for seed in (0, 1)]
    assert centres[0] != centres[1]


def test_validation_images_of_a_run_are_not_looked_at(tmp_path):
    finish(Degradation.start(Config(nets=("plain8",), validation=True), DATA, tmp_path / "n"))
    config = LandscapeConfig(("plain8",), points=3, images=1437, run=str(tmp_path / "n"))
    with pytest.raises(UsageError, match="the 1150 training images of digits, validation split"):
        Landscape.start(config, tmp_path / "out", load_data)
    assert not (tmp_path / "out").exists()


# --- stopped and resumed -------------------------------------------------------------------------


@pytest.mark.parametrize("points", [0, 1, 7, 25, 26, 49, 50])
def test_a_run_killed_anywhere_is_resumed_to_the_same_bits(unbroken, tiny, tmp_path, points):
    out = tmp_path / "killed"
    done = 0
    for event in Landscape.start(tiny, out, load_data).run():
        done += event.point is not None
        if done == points:  # as after a SIGKILL: nothing is saved on the way out
            break
    events = finish(resume(out))
    assert files(out) == files(unbroken)
    again = sum(event.point is not None for event in events)
    assert again <= 50 - points + 5  # at most the row it was in is computed again


@pytest.mark.parametrize("points", [1, 7, 25, 26])
def test_asked_to_stop_it_keeps_the_very_point(unbroken, tiny, tmp_path, points):
    out = tmp_path / "stopped"
    asked = iter(range(1, 51))
    run = Landscape.start(tiny, out, load_data)
    list(run.run(stop=lambda: next(asked) == points))
    assert run.stopped
    assert len(lines(out)) == points
    assert (out / "landscape.png").exists() == (points >= 25)
    if points >= 25:
        assert "not finished: resnet8 is still to come" in (out / "summary.md").read_text()
    events = finish(resume(out))
    assert sum(event.point is not None for event in events) == 50 - points
    assert files(out) == files(unbroken)


def test_what_another_process_computed_meanwhile_is_kept(tiny, tmp_path):
    """After this one had read the points, and before it had the lock."""
    out = tmp_path / "run"
    asked = iter([False] * 6 + [True])
    list(Landscape.start(tiny, out, load_data).run(lambda: next(asked)))
    second = resume(out)
    finish(resume(out))
    assert {event.point for event in finish(second)} == {None}


def test_asked_to_stop_at_its_last_point_a_run_is_not_stopped(tiny, tmp_path):
    asked = iter(range(1, 51))
    run = Landscape.start(tiny, tmp_path / "run", load_data)
    list(run.run(stop=lambda: next(asked) == 50))
    assert not run.stopped
    assert run.finished
    assert "not finished" not in (tmp_path / "run" / "summary.md").read_text()


def test_a_finished_run_is_drawn_again_and_nothing_computed(unbroken, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(unbroken, out)
    (out / "landscape.png").unlink()
    assert [event.point for event in finish(resume(out))] == [None, None]
    assert files(out) == files(unbroken)


# --- what raises --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"nets": ("plain21",)}, r"no net 'plain21'.*6n \+ 2"),
        ({"nets": ()}, "at least one net"),
        ({"nets": ("plain8", "plain8")}, "given twice"),
        ({"points": 4}, "points must be odd.*got 4"),
        ({"points": 1}, "at least 3, got 1"),
        ({"span": 0.0}, "span must be above 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"net_seed": -1}, "seeds must be at least 0, got -1"),
        ({"dataset": "mnist"}, "no dataset 'mnist'"),
    ],
)
def test_what_cannot_be_meant_raises(options, sentence):
    with pytest.raises(UsageError, match=sentence):
        LandscapeConfig(**options)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"nets": ("plain14",)}, "no trained plain14, seed 0; it has plain8-seed0, resnet8-seed0"),
        ({"net_seed": 1}, "no trained plain8, seed 1; it has"),
        ({"dataset": "cifar10"}, "are trained on digits, but cifar10 was asked for"),
        ({"images": 1}, "images must be from 2 to the 1437"),
        ({"images": 2000}, "images must be from 2 to the 1437.*got 2000"),
        ({"run": "nowhere"}, "there is no run in nowhere"),
    ],
)
def test_what_the_run_does_not_have_raises_and_leaves_nothing(tiny, tmp_path, options, sentence):
    with pytest.raises(UsageError, match=sentence):
        Landscape.start(replace(tiny, **options), tmp_path / "out", load_data)
    assert not (tmp_path / "out").exists()


def test_other_data_than_the_nets_were_trained_on_raise(tiny, unbroken, tmp_path):
    for begin in (
        lambda: Landscape.start(tiny, tmp_path / "out", lambda _: DATA.with_validation()),
        lambda: Landscape.resume({}, unbroken, lambda _: DATA.with_validation()),
    ):
        with pytest.raises(UsageError, match="the data is not what the run"):
            begin()


def test_an_existing_run_is_never_overwritten(unbroken, tiny):
    before = files(unbroken)
    with pytest.raises(UsageError, match="not empty; add --resume"):
        Landscape.start(tiny, unbroken, load_data)
    assert files(unbroken) == before


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"points": 7}, "has points = 5, but 7 was asked for"),
        ({"nets": ("plain8",)}, "has nets = plain8,resnet8, but plain8 was asked for"),
        ({"span": 0.5}, "has span = 1.0, but 0.5 was asked for"),
        ({"run": "/elsewhere"}, "but /elsewhere was asked for"),
    ],
)
def test_another_configuration_raises(unbroken, asked, sentence):
    with pytest.raises(UsageError, match=sentence):
        resume(unbroken, **asked)


def test_the_same_options_again_are_welcome(unbroken, tiny):
    assert resume(unbroken, points=5, nets=NETS).config == tiny


def test_the_run_of_another_command_raises(nets, tmp_path):
    with pytest.raises(UsageError, match="is not one of minires landscape"):
        resume(nets)
    with pytest.raises(UsageError, match="there is no run in"):
        resume(tmp_path)


def test_other_nets_in_the_place_of_those_it_began_with_raise(tiny, nets, tmp_path):
    shutil.copytree(nets, tmp_path / "nets")
    moved = replace(tiny, run=str(tmp_path / "nets"))
    finish(Landscape.start(moved, tmp_path / "run", load_data))
    weights = tmp_path / "nets" / "weights"
    finish(Degradation.start(Config(nets=("plain8",), epochs=2), DATA, tmp_path / "longer"))
    shutil.copy(tmp_path / "longer" / "weights" / "plain8-seed0.safetensors", weights)
    with pytest.raises(UsageError, match=r"are not those that the run in .* was started on"):
        resume(tmp_path / "run")
    (weights / "plain8-seed0.safetensors").unlink()
    with pytest.raises(UsageError, match="no trained plain8, seed 0; it has resnet8-seed0"):
        resume(tmp_path / "run")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("plain8,-1.0,-0.5", "plain8,-1.0,-0.4", "its points are not those of this run"),
        ("plain8,-1.0,-0.5", "plain14,-1.0,-0.5", "its points are not those of this run"),
        ("plain8,-1.0,-0.5", "resnet8,-1.0,-0.5", "its points are not those of this run"),
        ("plain8,-1.0,-0.5,", "plain8,-1.0,-0.5,x", "line 3.*could not convert"),
        ("plain8,-1.0,-0.5,", "plain8,-1.0,-0.5,1e999,1.0\nplain8,", "line 3: loss is inf"),
        ("net,alpha", "net,gamma", "is not a landscape: its first line must be net,alpha"),
    ],
)
def test_an_altered_table_raises(unbroken, tmp_path, old, new, sentence):
    shutil.copytree(unbroken, tmp_path / "run")
    path = tmp_path / "run" / "landscape.csv"
    (tmp_path / "run" / "landscape.csv.sha256").unlink()  # which would find it first
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(RunError, match=sentence):
        resume(tmp_path / "run")
    path.write_text(text + text.splitlines()[-1] + "\n")
    with pytest.raises(RunError, match="its points are not those"):
        resume(tmp_path / "run")


def test_a_damaged_table_is_not_believed(unbroken, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(unbroken, out)
    path = out / "landscape.csv"
    text = path.read_text()
    path.write_text(text.replace("1", "2", 1))
    with pytest.warns(
        DamageWarning, match=r"landscape\.csv is damaged; (landscape\.previous|it is)"
    ):
        finish(resume(out))
    assert path.read_text() == text
    path.write_text("")
    (out / "landscape.previous.csv").unlink()
    with pytest.raises(RunError, match=r"landscape\.csv is damaged: .* remove both, and resuming"):
        resume(out)
    path.unlink()
    finish(resume(out))
    assert path.read_text() == text


def test_a_loss_that_is_not_finite_is_a_sentence(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(planes, "classification", lambda *batch: lambda model: (float("inf"), 0.0))
    run = Landscape.start(tiny, tmp_path / "run", load_data)
    with pytest.raises(NonFiniteError, match="plain8: the loss is inf at -1, -1; a smaller --span"):
        finish(run)


def test_weights_with_a_bit_flipped_are_not_believed(nets, tiny, tmp_path):
    shutil.copytree(nets, tmp_path / "nets")
    path = tmp_path / "nets" / "weights" / "plain8-seed0.safetensors"
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)
    config = replace(tiny, run=str(tmp_path / "nets"))
    with pytest.raises(DataError, match=r"plain8-seed0\.safetensors is damaged: its numbers"):
        Landscape.start(config, tmp_path / "run", load_data)


@pytest.mark.parametrize(
    "change", [{"points": 4}, {"points": "5"}, {"span": None}, {"nets": [5]}, {"run": 3}]
)
def test_an_altered_configuration_raises(unbroken, tmp_path, change):
    facts = {**json.loads((unbroken / "config.json").read_text()), **change}
    (tmp_path / "config.json").write_text(json.dumps(facts))
    with pytest.raises(RunError, match="was altered"):
        resume(tmp_path)


def test_a_missing_fact_raises(unbroken, tmp_path):
    facts = json.loads((unbroken / "config.json").read_text())
    del facts["span"]
    (tmp_path / "config.json").write_text(json.dumps(facts))
    with pytest.raises(RunError, match=re.escape("was altered: 'span'")):
        resume(tmp_path)
