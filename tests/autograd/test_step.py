"""What a step of the walk says, which steps are given out, and what may be changed in one."""

import re

import numpy as np
import pytest

from minires import MiniresError, Tensor, models, nn
from minires import functional as F
from minires.autograd import norm
from minires.autograd.hooks import backward_hook
from minires.errors import DTypeError, GraphError, ShapeError, UsageError
from minires.ops import Add


def leaf(*values):
    return Tensor(np.array(values, np.float64), requires_grad=True)


def images():
    return np.random.default_rng(0).standard_normal((2, 3, 8, 8), dtype=np.float32)


def residual_loss():
    return F.cross_entropy(models.cifar_resnet(8, "B")(images()), np.array([0, 1]))


# --- what it says -------------------------------------------------------------------------


def test_norms_are_those_of_what_came_in_and_goes_on():
    a, b = leaf(3.0, 4.0), leaf(2.0, 0.0)
    (step,) = (a * b).backward_steps([1.0, 2.0])
    assert step.norm == pytest.approx(np.sqrt(5))
    assert step.norms == pytest.approx([2.0, np.hypot(3, 8)])


def test_the_norm_of_a_gradient_that_explodes_is_a_number():
    assert norm(np.full((2, 2), 3e30, np.float32)) == pytest.approx(6e30)
    assert norm(np.float32(-2.0)) == 2
    assert norm(np.zeros((0, 3))) == 0


def test_an_input_without_a_gradient_has_no_norm_and_no_target():
    (step,) = (leaf(1.0) * 2.0).backward_steps()
    assert step.targets[1].source is None
    assert str(step.targets[1]) == "b to nothing"
    (step,) = F.linear(
        np.ones((1, 2)), Tensor(np.ones((1, 2)), requires_grad=True)
    ).backward_steps()
    assert step.norms[0] is None


def test_targets_say_where_gradients_go_and_whether_one_is_there():
    x = leaf(2.0)
    shared = x * 3.0
    steps = {}
    for step in (shared + shared.exp()).sum().backward_steps():
        steps[step.op.name] = [(t.name, t.label, t.added) for t in step.targets]
    assert steps["Add"] == [("a", "Mul", False), ("b", "Exp", False)]
    assert steps["Exp"] == [("x", "Mul", True)], "the addition was there first"
    assert steps["Mul"] == [("a", "a leaf", False), ("b", "nothing", False)]
    again = [t.added for step in (x * 3.0).backward_steps() for t in step.targets]
    assert again == [True, False], "of the first backward"


def test_parameters_are_called_what_their_module_calls_them():
    net = models.cifar_resnet(8)
    loss = F.cross_entropy(net(images()), np.array([0, 1]))
    named = {
        (step.op.path, target.name): target.label
        for step in loss.backward_steps()
        for target in step.targets
        if target.source is not None
    }
    assert named["layer2.0.conv1", "w"] == "layer2.0.conv1.weight"
    assert named["layer2.0.bn2", "b"] == "layer2.0.bn2.bias"
    assert named["layer2.0.bn2", "x"] == "Conv2d layer2.0.conv2"
    assert named["fc", "w"] == "fc.weight"


def test_in_words():
    x = leaf(3.0, 4.0)
    (step,) = (x * 2.0).backward_steps([1.0, 0.0])
    line = r"test_step\.py:\d+\): gy \(2,\), norm 1\.00e\+00; hands on a to a leaf, norm 2\.00e\+00"
    assert re.fullmatch(rf"Mul \(\S*{line}", str(step))


# --- which are given out ------------------------------------------------------------------


def names(**chosen):
    return [step.op.label for step in residual_loss().backward_steps(**chosen)]


def test_operations_are_chosen_by_name_or_class():
    assert names(ops="Add") == names(ops=Add) == ["Add layer3.0", "Add layer2.0", "Add layer1.0"]
    assert names(ops=["Linear", Add]) == ["Linear fc", *names(ops="Add")]
    assert set(names(ops=("CrossEntropy", "GlobalAvgPool2d"))) == {
        "CrossEntropy",
        "GlobalAvgPool2d",
    }


def test_modules_are_chosen_with_all_that_is_in_them():
    inside = names(path="layer2")
    assert inside == [label for label in names() if " layer2" in label]
    assert len(inside) == 9
    assert names(path="layer2.0.conv1") == ["Conv2d layer2.0.conv1"]
    assert [label.split()[1] for label in names(path="layer*.bn1")] == [
        *("layer3.0.bn1", "layer2.0.bn1", "layer1.0.bn1")
    ]
    assert names(path="layer3", ops="Conv2d")[-1] == "Conv2d layer3.0.conv1"


def test_a_module_is_not_taken_for_one_whose_name_goes_on():
    net = nn.Sequential(*(nn.Linear(2, 2) for _ in range(12)))
    y = net(np.ones((1, 2), np.float32)).sum()
    assert [step.op.path for step in y.backward_steps(path="1")] == ["1"]


def test_the_gradients_are_those_of_the_whole_walk():
    def gradients(walk):
        net = models.cifar_resnet(8)
        for p, seed in zip(net.parameters(), range(100), strict=False):
            p.data[...] = np.random.default_rng(seed).normal(size=p.shape)
        walk(F.cross_entropy(net(images()), np.array([0, 1])))
        return [p.grad for p in net.parameters()]

    whole = gradients(lambda loss: loss.backward())
    for chosen in ({"ops": "Add"}, {"path": "layer2"}, {}):
        part = gradients(lambda loss, chosen=chosen: [*loss.backward_steps(**chosen)])
        for a, b in zip(part, whole, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("chosen", [{"ops": "Conv"}, {"path": "layer4"}, {"ops": ()}])
def test_a_choice_that_fits_nothing_raises_with_what_there_is(chosen):
    with pytest.raises(UsageError) as refusal:
        next(residual_loss().backward_steps(**chosen))
    assert all(word in str(refusal.value) for word in ("BatchNorm, Conv2d", "in bn1, conv1", "fc"))


# --- what may be changed ------------------------------------------------------------------


def test_scaling_changes_what_is_handed_on_and_nothing_else():
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    gy = np.array([1.0, 1.0])
    for step in (a + b).backward_steps(gy):
        step.scale(0, "b")
        step.scale(3)
    assert a.grad.tolist() == [3, 3]
    assert b.grad.tolist() == [0, 0]
    assert gy.tolist() == [1, 1], "an addition hands the very same array to both"


def test_scaling_keeps_the_type():
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    for step in (x * 2).backward_steps(np.ones(2, np.float32)):
        step.scale(np.float64(0.5))
    assert x.grad.dtype == np.float32


def test_scaling_an_input_that_there_is_not_raises():
    (step,) = (leaf(1.0) + leaf(1.0)).backward_steps()
    with pytest.raises(UsageError, match="Add has the inputs a, b; got 'x'"):
        step.scale(2, "x")


@pytest.mark.parametrize("instead", [0.0, Tensor(np.ones(1)), [1.0], "nothing"])
def test_what_is_no_array_raises(instead):
    steps = (leaf(1.0) * 2.0).backward_steps()
    next(steps).gxs[0] = instead
    with pytest.raises(DTypeError, match=r"Mul was to hand its input a the gradient .*; expected"):
        next(steps)


def test_a_gradient_of_another_shape_or_type_raises_with_both_named():
    for instead, error in ((np.ones(2), ShapeError), (np.ones(1, np.float32), DTypeError)):
        steps = (leaf(1.0) * 2.0).backward_steps()
        next(steps).gxs[0] = instead
        with pytest.raises(
            error, match=r"Mul hands its input a a gradient of shape .* it has shape"
        ):
            next(steps)


def test_stepping_twice_raises_as_backward_twice_is():
    y = leaf(1.0) * 2.0
    assert len([*y.backward_steps(retain_graph=True)]) == 1
    assert len([*y.backward_steps()]) == 1
    for walk in (y.backward, lambda: next(y.backward_steps())):
        with pytest.raises(GraphError, match="already been through Mul"):
            walk()


# --- hooks --------------------------------------------------------------------------------


def test_hooks_see_every_step_of_every_walk_and_may_change_it():
    seen = []

    def hook(step):
        seen.append(step.op.name)
        step.scale(2)

    x = leaf(1.0)
    with backward_hook(hook):
        (x * 3.0).exp().backward()
        [*(x * 3.0).backward_steps()]
    (x * 3.0).backward()
    assert seen == ["Exp", "Mul", "Mul"]
    assert x.grad == pytest.approx(3 * np.exp(3) * 4 + 3 * 2 + 3)


def test_a_hook_that_fails_is_not_kept():
    with pytest.raises(MiniresError), backward_hook(lambda step: step.scale(1, "no such input")):
        (leaf(1.0) * 2.0).backward()
    (leaf(1.0) * 2.0).backward()
