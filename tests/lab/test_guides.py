"""The guided experiments: both languages have all of them, and what they say was seen is so."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

import minires.lab
from minires import data
from minires.lab import Session, config, parse_address
from minires.lab.frames import look_of
from minires.runs import read_history

PAGE = Path(minires.lab.__file__).with_name("page")
GUIDES = json.loads((PAGE / "guides.json").read_text(encoding="utf-8"))
LANGUAGES = ("en", "zh")
RUN = Path(__file__).parents[2] / "benchmarks" / "results" / "degradation"


def texts(language):
    return json.loads((PAGE / f"{language}.json").read_text(encoding="utf-8"))


def test_both_languages_have_the_same_texts():
    english, chinese = map(texts, LANGUAGES)
    assert english.keys() == chinese.keys()
    for key in english.keys() - {"guides"}:
        fields = [sorted(re.findall(r"\{\w+\}", text[key])) for text in (english, chinese)]
        assert fields[0] == fields[1], key
    for there, here in zip(english["guides"], chinese["guides"], strict=True):
        assert there.keys() == here.keys()
        assert len(there["look"]) == len(here["look"])
        numbers = [re.findall(r"\d+\.\d+", guide.get("seen", "")) for guide in (there, here)]
        assert numbers[0] == numbers[1]


def test_every_text_that_is_asked_for_is_there():
    known = texts("en").keys()
    for file in [*PAGE.glob("*.js"), PAGE / "index.html"]:
        text = file.read_text(encoding="utf-8")
        asked = re.findall(r'\bt\("([\w ]+)"|data-(?:text|title|label)="(\w+)"', text)
        assert {a or b for a, b in asked} <= known, file.name


def test_every_guide_has_an_address_a_source_and_a_text():
    assert len(GUIDES) == config.GUIDES
    for number, (guide, text) in enumerate(zip(GUIDES, texts("en")["guides"], strict=True), 1):
        assert parse_address(guide["address"])[0].guide == number
        assert guide["source"].startswith("https://")
        assert text["title"]
        assert text["source"]
        assert text["look"]


def played(number, steps, more=""):
    """The session of a guide after so many steps, and what it looked like at the start."""
    session = Session.open(GUIDES[number - 1]["address"] + more, data.load)
    look = look_of(session, 1, 0)
    return on(session, steps), [np.array(net.std) for net in look.nets]


def on(session, steps):
    """The session when it has taken so many steps."""
    for _ in session.run():
        if session.step == steps:
            return session
    raise AssertionError("both nets ended")


def gradients(session):
    return [next(training.numbers()).gradient for training in session.trainings]


def said(number):
    """The numbers with a decimal point in what was seen, in their order."""
    return [float(n) for n in re.findall(r"\d+\.\d+", texts("en")["guides"][number - 1]["seen"])]


def errors(session):
    """The training error of each net over the last 30 steps, in %."""
    return [np.mean(training.curve.means[-30:]) for training in session.trainings]


def measured(name):
    """The training error of a net in the last epoch of the committed run, the mean of seeds."""
    rows = read_history(RUN / "history.csv")
    last = max(row.epoch for row in rows)
    return np.mean([row.train_error for row in rows if row.net == name and row.epoch == last])


def test_deep_and_plain():
    assert said(1)[:2] == pytest.approx([measured("plain20"), measured("plain56")], abs=0.05)
    session, _ = played(1, 1)
    assert said(1)[2:] == pytest.approx(gradients(session), rel=0.05)
    shallow, deep = errors(on(session, 90))
    assert shallow < 50
    assert deep > 80


def test_give_it_its_shortcuts():
    assert said(2) == pytest.approx([measured("plain56"), measured("resnet56")], abs=0.05)
    paths = Session.open(GUIDES[1]["address"], data.load).trainings[0].blocks

    def put_in(step):
        return "".join(f"&at={step}:0:shortcut:{path}:1" for path in paths)

    session, _ = played(2, 2, put_in(0))
    plain, residual = session.trainings
    assert plain.curve == residual.curve
    session, _ = played(2, 20, put_in(20))
    assert np.mean(session.trainings[0].curve.means[-10:]) > 75
    on(session, 70)
    assert np.mean(session.trainings[0].curve.means[-10:]) < 65


def wrong(session, net, kind, path):
    """How many of the images, in %, a net has wrong without a branch or a shortcut."""
    session.operate(net, kind, path, 0)
    images = look_of(session, 1, 0).nets[net].wrong
    session.undo()
    return 100 * np.mean(images)


def test_cut_a_trained_net():
    session, _ = played(5, 90)
    whole = 100 * np.mean(look_of(session, 1, 0).nets[1].wrong)
    assert whole < 30
    paths = list(session.trainings[1].blocks)
    branches = [wrong(session, 1, "branch", path) for path in paths]
    shortcuts = [wrong(session, 1, "shortcut", path) for path in paths]
    assert np.argmax(branches) == 0
    assert branches[0] > 2 * whole
    assert np.mean(branches[-4:]) < whole + 10
    assert np.mean(shortcuts) > np.mean(branches) + 20
    assert min(wrong(session, 0, "branch", path) for path in paths) > 75


def test_batch_norm_off():
    session, (normed, without) = played(3, 1)
    assert said(3)[:2] == pytest.approx(gradients(session), rel=0.05)
    assert said(3)[2:] == pytest.approx([without[0], without[-2]], rel=0.05)
    assert normed[:-1] == pytest.approx(1, abs=0.01)
    learned, guesses = errors(on(session, 30))
    assert guesses > 85 > learned


def test_xavier_or_he():
    session, (xavier, he) = played(4, 1)
    falls = [stds[0] / stds[-2] for stds in (xavier, he)]
    assert falls[0] > 50 * falls[1]
    # √2 a layer, and nineteen layers: the whole of the difference.
    ratio = math.log(falls[0] / falls[1]) / 18
    assert math.exp(ratio) == pytest.approx(math.sqrt(2), rel=0.1)
    assert gradients(session)[0] < gradients(session)[1] / 100
    assert min(errors(on(session, 30))) > 85


def test_a_learning_rate_too_high():
    session, _ = played(6, 1)
    updates = [max(layer.update for layer in training.numbers()) for training in session.trainings]
    assert said(6)[:2] == pytest.approx(updates, rel=0.05)
    low, high = errors(on(session, 90))
    assert low < 30
    assert high > 80


def test_overfit_100_images():
    session, _ = played(7, 180)
    plain, residual = errors(session)
    assert residual < 30 < plain < 60
    tests = [row.test_error for row in session.trainings[1].trainer.rows if row.iteration >= 90]
    assert residual < np.mean(tests)
    assert np.mean(tests) == pytest.approx(25, abs=7)
