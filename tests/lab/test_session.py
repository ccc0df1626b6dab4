"""A session: its address, its surgery, undo; the same address gives the same curves to the bit."""

import json
import math

import numpy as np
import pytest

from minires import data
from minires.errors import UsageError
from minires.lab import LabConfig, NetConfig, Session, Surgery, format_address, parse_address
from minires.lab.curve import MOST, Curve
from minires.lab.frames import frame_of, look_of, message, scene_of
from minires.lab.surgery import KINDS, EditedBlock

SMALL = "net=plain8,resnet8&images=48&batch=8"


def session(address=SMALL):
    return Session.open(address, data.load)


def train(session, steps):
    """Train so many steps, or until both nets have ended."""
    until = session.step + steps
    for _ in session.run():
        if session.step == until:
            break
    return session


def numbers(session):
    """All that two sessions must have alike: curves and parameters."""
    return [
        (t.curve, [a.tobytes() for a in t.model.state_dict().values()]) for t in session.trainings
    ]


def weights(session, net, name):
    return session.trainings[net].model.state_dict()[name]


def operated():
    """A session with a surgery of every kind, and some training after them."""
    made = train(session(), 2)
    made.operate(1, "shortcut", "layer2.0", 0)
    made.operate(0, "shortcut", "layer1.0", 1)
    train(made, 1)
    made.operate(1, "branch", "layer1.0", 0.5)
    made.operate(1, "freeze", "layer3.0", 1)
    made.operate(0, "init", "layer2.0.conv1")
    train(made, 1)
    made.operate(1, "zero", "layer1.0.conv2")
    made.operate(0, "gradient", "layer1.0.Add", -0.5)
    made.operate(1, "lr", value=0.05)
    made.operate(0, "momentum", value=0.5)
    return train(made, 4)


def test_the_address_gives_the_same_session_to_the_bit():
    first = operated()
    assert {s.kind for s in first.done} == set(KINDS)
    again = train(session(first.address), first.step)
    assert numbers(again) == numbers(first)
    assert again.address == first.address
    assert numbers(train(session(), first.step)) != numbers(first)


def test_looking_at_a_session_changes_nothing_in_it():
    looked, unseen = session(), train(session(), 5)
    for _ in range(5):
        train(looked, 1)
        message(frame_of(looked, 1, True, 0.0))
        message(look_of(looked, 1, 3))
    assert numbers(looked) == numbers(unseen)


def test_activations_are_those_of_training():
    """In evaluation, running statistics that lag behind would make them vanish or explode."""
    made = session("net=plain20,plain20&norm=1,0&factor=1,0.1")
    normed, plain = (np.array(net.std) for net in look_of(made, 1, 0).nets)
    assert normed[:-1] == pytest.approx(1, abs=0.01)  # the last one has no batch norm
    assert plain[-1] < 1e-15
    assert (np.diff(plain) < 0).all()


def test_undo_returns_to_the_moment_before():
    undone, never = train(session(), 3), train(session(), 3)
    undone.operate(1, "lr", value=0.002)
    never.operate(1, "lr", value=0.002)
    train(undone, 1), train(never, 1)
    for kind in ("shortcut", "branch", "freeze"):
        undone.operate(1, kind, "layer1.0", 0 if kind == "shortcut" else 1)
    undone.operate(0, "init", "conv1")
    train(undone, 2)
    for _ in range(4):
        undone.undo()
    assert undone.step == 4
    assert undone.address == never.address
    assert numbers(train(undone, 3)) == numbers(train(never, 3))


def test_undo_without_surgery_says_so():
    with pytest.raises(UsageError, match="no surgery to undo"):
        session().undo()


def test_a_cut_shortcut_is_a_plain_block_and_comes_back():
    made = session()
    stage = made.trainings[1].model.layer2
    original = stage[0]
    made.operate(1, "shortcut", "layer2.0", 0)
    assert isinstance(stage[0], EditedBlock)
    assert stage[0].shortcut is None
    made.operate(1, "shortcut", "layer2.0", 1)
    assert stage[0] is original


def test_shortcuts_put_into_a_plain_net_make_it_the_residual_one():
    given = session("net=plain8,resnet8&images=48&batch=8")
    for path in ("layer1.0", "layer2.0", "layer3.0"):
        given.operate(0, "shortcut", path, 1)
    train(given, 3)
    plain, residual = numbers(given)
    assert plain[0] == residual[0]


def test_a_branch_times_0_passes_its_input_on():
    made = session()
    x = made.trainings[1].inputs(made.dataset.test_images[:4])
    block = made.trainings[1].model.layer1[0]
    h = np.abs(np.random.default_rng(0).standard_normal((4, 16, 8, 8), dtype=np.float32))
    made.operate(1, "branch", "layer1.0", 0)
    changed = made.trainings[1].model.layer1[0]
    assert np.array_equal(changed(h).data, h)
    assert not np.array_equal(block(h).data, h)
    assert made.trainings[1].model(x).shape == (4, 10)


def test_a_frozen_block_keeps_its_parameters():
    made = train(session(), 1)
    before = weights(made, 1, "layer2.0.conv1.weight")
    made.operate(1, "freeze", "layer2.0", 1)
    train(made, 2)
    assert np.array_equal(weights(made, 1, "layer2.0.conv1.weight"), before)
    assert not np.array_equal(weights(made, 1, "layer1.0.conv1.weight"), before)
    made.operate(1, "freeze", "layer2.0", 0)
    train(made, 1)
    assert not np.array_equal(weights(made, 1, "layer2.0.conv1.weight"), before)


def test_a_gradient_is_zeroed_for_one_step():
    made = train(session(), 1)
    made.operate(0, "zero", "layer2.0.conv1")
    train(made, 1)
    layers = dict(zip(made.trainings[0].layers, made.trainings[0].numbers(), strict=True))
    assert layers["conv1"].gradient == layers["layer2.0.conv1"].gradient == 0
    assert layers["layer2.0.conv2"].gradient > 0
    train(made, 1)
    assert next(made.trainings[0].numbers()).gradient > 0


def test_new_weights_are_those_of_the_initialisation_and_forget_the_velocity():
    made = train(session(f"{SMALL}&init=he&factor=0.1"), 2)
    before = weights(made, 1, "layer3.0.conv2.weight")
    made.operate(1, "init", "layer3.0.conv2")
    after = weights(made, 1, "layer3.0.conv2.weight")
    assert not np.array_equal(before, after)
    assert after.std() == pytest.approx(0.1 * math.sqrt(2 / (64 * 9)), rel=0.05)
    train(made, 1)
    gradient = made.trainings[1].layers["layer3.0.conv2"].weight.grad
    moved = weights(made, 1, "layer3.0.conv2.weight") - after
    assert np.allclose(moved, -0.01 * (gradient + 1e-4 * after), atol=1e-6)


def test_new_weights_depend_on_the_session_alone():
    made = train(session(), 1)
    drawn = []
    for _ in range(2):
        made.operate(1, "init", "layer3.0.conv2")
        drawn.append(weights(made, 1, "layer3.0.conv2.weight"))
        made.undo()
    assert np.array_equal(*drawn)


def test_a_surgery_on_a_net_that_has_ended_is_left_out():
    ends = "net=plain8,plain8&images=48&batch=8&norm=0,1&lr=10,0.01&factor=3,1"
    made = train(session(f"{ends}&at=12:0:lr::0.001&at=12:1:lr::0.02"), 13)
    assert made.trainings[0].ended is not None
    assert [str(surgery) for surgery in made.done] == ["12:1:lr::0.02"]


def test_the_two_nets_get_the_same_images_and_the_same_start():
    made = train(session("net=resnet8,resnet8&images=48&batch=8&lr=0.01,0.02"), 1)
    left, right = numbers(made)
    assert left[0] == right[0]
    assert left[1] != right[1]
    assert numbers(session("net=resnet8&seed=1"))[0] == numbers(session("net=resnet8&seed=1"))[1]


def test_a_loss_that_is_not_finite_ends_one_net_and_not_the_other():
    made = session("net=plain8,plain8&images=48&batch=8&norm=0,1&lr=10,0.01&factor=3,1")
    train(made, 12)
    left, right = made.trainings
    assert "the loss is" in left.ended
    assert right.ended is None
    assert made.step == 12
    assert len(right.curve.means) == 12 > len(left.curve.means)
    frame = json.loads(message(frame_of(made, 1, True, 1.0)))
    assert frame["nets"][0]["ended"] == left.ended
    json.loads(message(look_of(made, 1, 0)))  # NaN is null, as JSON has it
    with pytest.raises(UsageError, match="trained no further"):
        made.operate(0, "lr", value=0.001)


@pytest.mark.parametrize(
    "address",
    [
        "",
        SMALL,
        "net=plain20,resnet56&shortcut=A,C&norm=1,0&init=xavier,he&factor=0.1,3&standardised=0,1"
        "&lr=1e-05,0.3&momentum=0,0.99&dataset=cifar10&images=100&batch=64&seed=7&guide=3",
        "at=0:1:shortcut:layer1.0:0&at=12:0:lr::0.25&at=12:1:init:fc:1",
    ],
)
def test_addresses_are_read_as_they_are_written(address):
    config, surgeries = parse_address(address)
    assert parse_address(format_address(config, surgeries)) == (config, surgeries)
    assert parse_address(f"http://127.0.0.1:80/token/#{address}") == (config, surgeries)


def test_one_value_is_for_both_nets_and_defaults_are_left_out():
    config, _ = parse_address("lr=0.1&net=resnet8")
    assert config.nets == (NetConfig("resnet8", lr=0.1), NetConfig("resnet8", lr=0.1))
    assert format_address(LabConfig()) == ""


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("net=resnet21", "no net 'resnet21'"),
        ("net=resnet116", "the depth of resnet116 must be at least 8 and at most 110"),
        ("net=preact20", "net must be plain or resnet"),
        ("shortcut=D", "shortcut must be A, B, C"),
        ("at=5:1:shortcut:layer1.0:0.5", "the value of shortcut is 0 or 1, got 0.5"),
        ("at=5:1:freeze:layer1.0:0.3", "the value of freeze is 0 or 1, got 0.3"),
        ("norm=yes", "norm got 'yes'"),
        ("init=zero", "init must be he or xavier"),
        ("lr=fast", "lr got 'fast'"),
        ("lr=nan", "lr must be between"),
        ("batch=100000", "batch must be at least 2 and at most 256"),
        ("guide=8", "guide must be at least 0 and at most 7"),
        ("seed=99999999999999999999", "seed must be at least 0 and at most"),
        ("images=1", "images must be 0 or at least 2"),
        ("dataset=imagenet", "dataset must be digits, cifar10, folder"),
        ("colour=red", "an address has net, "),
        ("at=cut", "a surgery must be like"),
        ("at=1:2:lr::0.1", "the net of a surgery"),
        ("at=1:0:melt:layer1.0:1", "a surgery is one of shortcut"),
        ("at=1:0:branch:layer1.0:inf", "the value of branch"),
        ("at=1:0:freeze:layer9.0:1", "freeze of plain20 is for layer1.0, "),
        ("at=1:0:lr:conv1:0.1", "lr of plain20 is for no path"),
        ("at=1:0:gradient:layer1.0.Add:0", "gradient of plain20 is for CrossEntropy, fc.Linear, "),
        ("at=1:1:gradient:layer1.0.Add:11", "the value of gradient"),
        ("seed=" + "1" * 9000, "at most 8,000 characters"),
        ("&".join(["at=1:0:lr::0.1"] * 101), "at most 100 surgeries"),
    ],
)
def test_an_address_that_is_none_says_why(address, message):
    with pytest.raises(UsageError, match=message):
        session(address)


def test_nets_that_do_not_fit_into_memory_are_not_begun(monkeypatch):
    monkeypatch.setattr("minires.inspect.memory.available", lambda backend: 10_000)
    with pytest.raises(UsageError, match="plain8 at batch 8 would need about"):
        session()


def test_a_surgery_of_other_types_says_why():
    for surgery in ((0, "lr", "", "x"), (0, 3, "", 1), ("0", "lr", "", 1), (0, "freeze", [], 1)):
        with pytest.raises(UsageError):
            session().operate(*surgery)
    assert str(Surgery(3, 1, "branch", "layer1.0", 0.5)) == "3:1:branch:layer1.0:0.5"


def test_a_curve_stays_bounded_and_keeps_its_mean():
    curve = Curve()
    for k in range(10 * MOST):
        curve.add(float(k))
    assert len(curve.means) < MOST
    assert curve.stride == 16
    whole = len(curve.means) * curve.stride
    assert np.mean(curve.means) == pytest.approx(np.mean(np.arange(whole)))


def test_what_a_page_is_sent():
    made = train(session(), 2)
    scene = json.loads(message(scene_of(made, 4)))
    frame = json.loads(message(frame_of(made, 4, True, 20.0)))
    look = json.loads(message(look_of(made, 4, 2)))
    assert scene["number"] == frame["number"] == look["number"] == 4
    for net in (0, 1):
        layers = len(scene["layers"][net])
        assert layers == 8
        assert len(frame["nets"][net]["gradient"]) == len(frame["nets"][net]["update"]) == layers
        assert len(look["nets"][net]["std"]) == layers
        assert len(look["nets"][net]["maps"]) == 1 + len(scene["blocks"][net])
        assert sum(look["nets"][net]["probabilities"]) == pytest.approx(1, abs=0.01)
        assert len(look["nets"][net]["wrong"]) == len(scene["labels"]) == 40
        assert len(frame["nets"][net]["errors"]) == 2
