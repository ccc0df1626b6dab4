"""The walk: the training step that comes, recorded; a gradient that is changed there."""

import json
import re

import pytest

from minires import data
from minires.errors import UsageError
from minires.lab import Session
from minires.lab.gradients import operation_names
from minires.lab.walk import recorded, walk_page

SMALL = "net=plain8,resnet8&images=48&batch=8"


def after(steps, address=SMALL):
    session = Session.open(address, data.load)
    for _ in session.run():
        if session.step == steps:
            return session
    return session


def train(session):
    next(session.run())


def parameters(session):
    return [
        [a.tobytes() for a in training.model.state_dict().values()]
        for training in session.trainings
    ]


def gradients(training):
    """The norm of the gradient of each layer's weights, after a training step."""
    return [numbers.gradient for numbers in training.numbers()]


def shown_gradients(trace, training):
    """The same in a recording."""
    shown = {
        r.op.path: next(g.norm for g in r.input_gradients if g.name == "w")
        for r in trace.records
        if r.op.name in ("Conv2d", "Linear")
    }
    return [shown[path] for path in training.layers]


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page.html, re.DOTALL)[1])


@pytest.mark.parametrize("steps", [0, 3, 6])  # at an epoch's beginning, amid it, at its end
def test_it_shows_the_training_step_that_comes(steps):
    session = after(steps, f"{SMALL}&standardised=1,0") if steps else Session.open(SMALL, data.load)
    for training in session.trainings:
        trace = recorded(training)
        loss = training.trainer.totals.loss
        training.step()
        totals = training.trainer.totals
        assert trace.loss == pytest.approx((totals.loss - loss) / 8, rel=1e-5)
        assert shown_gradients(trace, training) == pytest.approx(gradients(training), rel=1e-4)


def test_walking_changes_nothing():
    walked, other = after(2), after(2)
    before = [gradients(training) for training in walked.trainings]
    walk_page(walked)
    assert [gradients(training) for training in walked.trainings] == before
    train(walked), train(other)
    assert parameters(walked) == parameters(other)


def test_a_changed_gradient_is_shown_and_trained_with_for_one_step():
    session = after(2)
    training = session.trainings[1]
    before = recorded(training)
    session.operate(1, "gradient", "layer2.0.Add", 0.5)
    changed = recorded(training)
    kept = [r.op.path.startswith(("layer3", "fc")) for r in before.records]
    for old, new, same in zip(before.records, changed.records, kept, strict=True):
        if same:
            assert new.gradient.norm == old.gradient.norm
        elif old.op.path.startswith(("layer1", "layer2.0.", "conv1")):
            assert new.gradient.norm == pytest.approx(old.gradient.norm / 2, rel=1e-5)
            for alone in ("branch", "shortcut"):
                assert new.alone[alone] == pytest.approx(old.alone[alone] / 2, rel=1e-5)
    train(session)
    assert gradients(training) == pytest.approx(shown_gradients(changed, training), rel=1e-4)
    (add,) = [r for r in recorded(training).records if r.op.label == "Add layer2.0"]
    assert [g.norm for g in add.input_gradients] == [add.gradient.norm] * 2


def test_the_second_operation_of_a_name_is_the_one_that_ran_before():
    session = after(1)
    session.operate(1, "gradient", "layer1.0.ReLU.2", 0)
    records = recorded(session.trainings[1]).records
    norms = [r.gradient.norm for r in records if (r.op.name, r.op.path) == ("ReLU", "layer1.0")]
    assert min(norms) > 0
    norms = {r.op.path: r.gradient.norm for r in records if r.op.name != "ReLU"}
    assert norms["layer1.0.bn1"] == 0 < norms["layer1.0.conv2"]


def test_no_gradient_from_a_layer_is_the_factor_0_of_its_operation():
    zeroed, scaled = after(2), after(2)
    zeroed.operate(0, "zero", "layer2.0.conv1")
    scaled.operate(0, "gradient", "layer2.0.conv1.Conv2d", 0)
    train(zeroed), train(scaled)
    assert parameters(zeroed) == parameters(scaled) != parameters(after(3))


def test_the_page_names_every_operation_and_what_its_gradients_are_multiplied_by():
    session = after(2)
    session.operate(1, "gradient", "fc.Linear", -2)
    shown = data_of(walk_page(session))
    assert shown["texts"]["en"]["footer"].startswith(
        "Made by minires: 8 images of digits, 8x8 pixels, after 2 steps of training"
    )
    for net, training, factors in zip(
        shown["nets"], session.trainings, shown["factors"], strict=True
    ):
        names = [name for name, _ in factors]
        assert names[::-1] == operation_names(training.model, *training.coming())
        assert len(set(names)) == len(names) == len(net["ops"])
        for op, name in zip(net["ops"], names, strict=True):
            assert name.startswith(f"{op['path']}.{op['name']}".lstrip("."))
    assert {tuple(f) for f in shown["factors"][1] if f[1] != 1} == {("fc.Linear", -2)}
    assert all(factor == 1 for _, factor in shown["factors"][0])


def test_an_operation_whose_gradient_is_changed_next_stays_until_then():
    paused = after(2)
    paused.operate(1, "gradient", "layer3.0.Add", 0)
    address = paused.address
    with pytest.raises(UsageError, match=r"layer3.0.Add of resnet8 would be gone"):
        paused.operate(1, "shortcut", "layer3.0", 0)
    assert paused.address == address
    assert paused.trainings[1].edits["layer3.0"].shortcut
    with pytest.raises(UsageError, match=r"layer3.0.Add of resnet8 would be gone"):
        after(1, f"{address}&at=2:1:shortcut:layer3.0:0")
    next(paused.run())
    paused.operate(1, "shortcut", "layer3.0", 0)
    assert after(4, paused.address).done == paused.done


def test_a_surgery_that_is_refused_takes_nothing_from_undo():
    paused = after(2)
    for value in (0.1, 0.2, 0.3, 0.4):
        paused.operate(1, "lr", value=value)
    paused.operate(1, "gradient", "layer3.0.Add", 0)
    with pytest.raises(UsageError, match="would be gone"):
        paused.operate(1, "shortcut", "layer3.0", 0)
    for _ in range(5):
        paused.undo()
    assert paused.address == SMALL


def test_an_operation_that_a_surgery_before_it_brings_can_be_in_an_address():
    given = f"{SMALL}&at=1:0:shortcut:layer1.0:1&at=2:0:gradient:layer1.0.Add:0"
    session = after(3, given)
    assert len(session.done) == 2
    assert session.trainings[0].edits["layer2.0"].shortcut is False
    with pytest.raises(UsageError, match="gradient of plain8 is for"):
        after(1, given.replace("at=1:0:shortcut", "at=2:1:shortcut"))


def test_a_net_that_explodes_can_be_walked_through():
    session = after(20, "net=plain8,plain8&images=48&batch=8&norm=0,1&lr=10,0.01&factor=3,1")
    assert session.trainings[0].ended is not None
    nets = data_of(walk_page(session))["nets"]
    assert [net["loss"] is None for net in nets] == [True, False]
