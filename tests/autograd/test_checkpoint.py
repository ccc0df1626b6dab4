"""Activation checkpointing: the same numbers to the bit, and less memory."""

import gc
import weakref

import numpy as np
import pytest
from standin import standin

import minires
from minires import Tensor, checkpoint, models, nn, no_grad, textbook, tf32
from minires import functional as F
from minires.backend import default, generator, use
from minires.errors import GraphError, ShapeError, UsageError
from minires.inspect import Graph, backward_hook, detect_anomaly, forward_hook
from minires.kernels import REFERENCE
from minires.modes import saved_modes


def leaf(shape=(4, 3), seed=0):
    return Tensor(np.random.default_rng(seed).normal(size=shape), requires_grad=True)


def images(n=6, dtype=np.float32):
    return np.random.default_rng(0).standard_normal((n, 3, 16, 16)).astype(dtype)


def trained(every, depth=20, dtype=np.float32, **how):
    """A net after a forward and a backward pass: what it computed, and its gradients."""
    minires.manual_seed(0)
    net = models.cifar_resnet(depth, checkpoint_every=every, **how).to(dtype)
    loss = F.cross_entropy(net(images(dtype=dtype)), np.arange(6))
    loss.backward()
    gradients = [p.grad for p in net.parameters()]
    return loss.item(), gradients, net.state_dict()


def expect_the_same_bits(got, right):
    assert got[0] == right[0]
    for a, b in zip(got[1], right[1], strict=True):
        np.testing.assert_array_equal(a, b)
    for name, a in got[2].items():
        np.testing.assert_array_equal(a, right[2][name], err_msg=name)


# --- the same numbers ---------------------------------------------------------------------


@pytest.mark.parametrize("every", [1, 2, 3, 100])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients_and_statistics_are_the_same_to_the_bit(every, dtype):
    expect_the_same_bits(trained(every, dtype=dtype), trained(None, dtype=dtype))


@pytest.mark.parametrize("how", [{"shortcut": "B"}, {"shortcut": "C"}, {"norm": nn.Identity}])
def test_whatever_the_net(how):
    expect_the_same_bits(trained(2, **how), trained(None, **how))


def test_the_second_time_goes_the_way_of_the_first():
    """Forward by the textbook, backward outside of it: what is computed again is the textbook's."""

    def gradients(every):
        minires.manual_seed(0)
        net = models.cifar_resnet(8, checkpoint_every=every)
        with textbook():
            loss = F.cross_entropy(net(images()), np.arange(6))
        seen = [step.op.kernel for step in loss.backward_steps()]
        return seen, [p.grad for p in net.parameters()]

    (seen, got), (_, right) = gradients(1), gradients(None)
    assert len(seen) > 20
    assert set(seen) == {REFERENCE}
    for a, b in zip(got, right, strict=True):  # but for sums, which are laid out differently
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6)


def test_segments_in_segments():
    def twice(x):
        return checkpoint(lambda x: (x * 2.0).exp(), x) * x

    x, y = leaf(), leaf()
    checkpoint(lambda x: checkpoint(twice, x).sum(), x).backward()
    twice(y).sum().backward()
    np.testing.assert_array_equal(x.grad, y.grad)


def test_several_inputs_of_which_some_want_no_gradient():
    a, b, c = leaf(), leaf(seed=1), Tensor(np.ones((4, 3)))
    checkpoint(lambda a, b, c: a * b + c * a, a, b, c).backward(np.full((4, 3), 2.0))
    np.testing.assert_array_equal(a.grad, 2 * (b.data + 1))
    np.testing.assert_array_equal(b.grad, 2 * a.data)
    assert c.grad is None


def test_parameters_get_gradients_where_the_input_wants_none():
    layer = nn.Linear(3, 2)
    y = checkpoint(layer, Tensor(np.ones((4, 3), np.float32)))
    assert y.requires_grad
    y.sum().backward()
    np.testing.assert_array_equal(layer.weight.grad, np.full((2, 3), 4))


def test_a_function_that_gives_back_what_it_was_given():
    x = leaf()
    checkpoint(lambda x: x, x).backward(np.ones((4, 3)))
    np.testing.assert_array_equal(x.grad, np.ones((4, 3)))


def test_random_numbers_are_those_of_the_first_time():
    def noisy(x):
        return x * generator().normal(size=x.shape)

    minires.manual_seed(3)
    x = leaf()
    y = checkpoint(noisy, x)
    after = generator().normal()
    y.backward(np.ones((4, 3)))
    assert generator().bit_generator.state["state"] != 0
    np.testing.assert_allclose(x.grad * x.data, y.data)
    minires.manual_seed(3)
    noisy(x)
    assert generator().normal() == after, "backward drew from a stream of its own"


def test_inside_no_grad_nothing_is_kept_and_the_function_runs_once():
    calls = []
    with no_grad():
        y = checkpoint(lambda x: calls.append(0) or x * 2.0, leaf())
    assert y.op is None
    assert len(calls) == 1


# --- what surrounds a segment -------------------------------------------------------------


def test_every_mode_and_setting_is_that_of_the_first_time():
    seen = []

    def function(x):
        surrounding = {**saved_modes(), "backend": default(), "errors": np.geterr()}
        seen.append({k: v for k, v in surrounding.items() if not k.endswith("_hooks")})
        return x * 2.0

    hooked = forward_hook(lambda *_: None), backward_hook(lambda *_: None)
    with textbook(), tf32(), hooked[0], hooked[1], np.errstate(under="raise", over="ignore"):
        y = checkpoint(function, leaf())
    with np.errstate(all="warn"):
        y.backward(np.ones((4, 3)))
    first, second = seen
    assert first.pop("grad_enabled") is first.pop("recomputing") is False
    assert second.pop("grad_enabled") is second.pop("recomputing") is True
    assert first == second
    assert first["tf32"]
    assert first["errors"]["under"] == "raise"


def test_the_default_backend_is_that_of_the_first_time():
    with standin() as cupy:
        x = Tensor(cupy.ones((4, 3)), requires_grad=True)
        with use("cupy"):
            y = checkpoint(lambda x: x * Tensor(np.full((4, 3), 2.0)), x)
        y.backward(cupy.ones((4, 3)))
        assert x.grad.tolist() == np.full((4, 3), 2.0).tolist()
        assert default() == "numpy"


def normalised(training):
    """Batch norm in a segment, in one mode."""
    layer = nn.BatchNorm2d(3).train(training)
    x = Tensor(np.random.default_rng(0).normal(size=(4, 3, 2, 2)).astype("f"), requires_grad=True)
    return layer, x, checkpoint(layer, x)


@pytest.mark.parametrize("training", [True, False])
def test_a_module_in_another_mode_raises(training):
    layer, x, y = normalised(training)
    layer.train(not training)
    now, then = ("evaluation", "training")[:: 1 if training else -1]
    with pytest.raises(GraphError, match=f"BatchNorm2d is in {now} mode and was in {then} mode"):
        y.backward(np.ones(y.shape))
    assert x.grad is None
    layer.train(training)
    y.backward(np.ones(y.shape))
    assert x.grad is not None


def test_the_mode_of_the_module_around_a_segment_counts_too():
    class Net(nn.Module):
        def forward(self, x):
            return checkpoint(lambda x: x * 2.0 if self.training else x, x)

    net = Net()
    y = net(leaf())
    net.eval()
    with pytest.raises(GraphError, match="Net is in evaluation mode"):
        y.backward(np.ones((4, 3)))


def test_modes_that_the_function_does_not_ask_for_do_not_matter():
    layer, x = nn.Linear(3, 2).to(np.float64), leaf()
    y = checkpoint(layer, x)
    layer.eval()
    y.backward(np.ones((4, 2)))
    np.testing.assert_array_equal(x.grad, np.ones((4, 2)) @ layer.weight.data)


def test_a_module_that_is_asked_the_second_time_alone():
    """As by what looks on, such as a hook or a debugger."""
    asked, net = [], nn.ReLU()

    def function(x):
        asked.append(net.training if asked else None)
        return x * 2.0

    checkpoint(function, leaf()).backward(np.ones((4, 3)))
    assert asked == [None, True]


def test_a_function_that_sets_the_modes_itself():
    layer, x, _ = normalised(training=True)

    def twice(x):
        y = layer.eval()(x)
        return layer.train()(y)

    checkpoint(twice, x).sum().backward()
    assert x.grad is not None


def test_running_statistics_that_moved_raise_where_they_are_read():
    layer, x, y = normalised(training=False)
    layer.train()(x)
    layer.eval()
    with pytest.raises(GraphError, match="batch_norm in training has changed running_mean"):
        y.backward(np.ones(y.shape))


# --- what a function uses without being given it --------------------------------------------


def test_an_interior_tensor_that_is_used_outside_too():
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    h = 2.0 * x
    (checkpoint(lambda a: a * h, x) + h).sum().backward()
    assert x.grad.tolist() == [6, 10]


def squares(x, h):
    return x * h + h


CLOSURES = {
    "used inside alone": (lambda a, h: a * h, lambda y, h: y),
    "used before and after": (lambda a, h: a * h, lambda y, h: y * h + h),
    "used twice inside": (lambda a, h: (a * h).exp() * h, lambda y, h: y + h),
    "returned": (lambda a, h: h, lambda y, h: y * h),
    "through another segment": (lambda a, h: checkpoint(lambda b: b * h, a) * h, squares),
    "its data alone": (lambda a, h: a * h.data, lambda y, h: y + h),
}


@pytest.mark.parametrize("name", CLOSURES)
@pytest.mark.parametrize("given", [False, True])
def test_gradients_are_those_without_a_segment(name, given):
    inside, outside = CLOSURES[name]

    def gradient(apply):
        x = leaf()
        h = (x * 0.5).exp()
        h.retain_grad()
        outside(apply(lambda a: inside(a, h), h if given else x), h).sum().backward()
        return x.grad, h.grad

    got, right = gradient(checkpoint), gradient(lambda function, a: function(a))
    for a, b in zip(got, right, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)


def test_two_segments_that_use_one_tensor():
    def gradient(apply):
        x = leaf()
        h = x * 2.0
        a = apply(lambda x: x * h, x)
        b = apply(lambda a: a + h, a)
        (a * b).sum().backward()
        return x.grad

    right = gradient(lambda function, a: function(a))
    np.testing.assert_allclose(gradient(checkpoint), right, rtol=1e-13)


def test_steps_go_through_a_tensor_used_outside_once():
    x = leaf()
    h = x * 2.0
    y = (checkpoint(lambda a: a.exp() * h, x) + h).sum()
    names = [step.op.name for step in y.backward_steps()]
    assert names == ["Sum", "Add", "Mul", "Exp", "Segment", "Mul"]


def test_a_graph_that_is_kept_can_be_walked_again():
    x = leaf()
    h = x * 2.0
    y = (checkpoint(lambda a: a * h, x) + h).sum()
    y.backward(retain_graph=True)
    once = x.grad
    y.backward()
    np.testing.assert_allclose(x.grad, 2 * once)


@pytest.mark.parametrize("inputs", [(), (None,), (1, None)])
def test_a_segment_needs_something_to_compute(inputs):
    with pytest.raises(UsageError, match="checkpoint needs tensors"):
        checkpoint(lambda *_: leaf(), *inputs)


# --- seen from outside --------------------------------------------------------------------


def labels_of(every, **chosen):
    net = models.cifar_resnet(14, checkpoint_every=every)
    loss = F.cross_entropy(net(images()), np.arange(6))
    return [step.op.label for step in loss.backward_steps(**chosen)]


def test_steps_are_those_inside_and_the_segment_itself():
    stepped = labels_of(2)
    segments = [label for label in stepped if label.startswith("Segment")]
    assert segments == ["Segment layer3", "Segment layer2", "Segment layer1"]
    assert [label for label in stepped if label not in segments] == labels_of(None)


def test_steps_inside_can_be_chosen_and_changed():
    assert labels_of(2, ops="Add", path="layer2") == labels_of(None, ops="Add", path="layer2")

    def gradient(every):
        minires.manual_seed(0)
        net = models.cifar_resnet(14, checkpoint_every=every)
        loss = F.cross_entropy(net(images()), np.arange(6))
        for step in loss.backward_steps(ops="Add"):
            step.scale(0.5, "a")
        return net.conv1.weight.grad

    np.testing.assert_array_equal(gradient(1), gradient(None))


def test_forward_hooks_see_the_first_time_alone():
    seen = []
    net = models.cifar_resnet(8, checkpoint_every=1)
    with forward_hook(lambda op, *_: seen.append(op.label), ops="Conv2d"):
        F.cross_entropy(net(images()), np.arange(6)).backward()
    assert len(seen) == len(set(seen)) == 7


def test_the_first_nan_is_found_inside():
    x = leaf()
    refused = pytest.raises(minires.errors.NonFiniteError, match="Log")
    with np.errstate(all="ignore"), refused, detect_anomaly():
        checkpoint(lambda x: (x * 0.0 - 1.0).log(), x)


def test_errors_leave_everything_as_it_was():
    def fails_later(x):
        calls.append(0)
        if len(calls) > 1:
            raise ShapeError("the second time")
        return x * 2.0

    calls = []
    y = checkpoint(fails_later, leaf())
    with pytest.raises(ShapeError, match="the second time"):
        y.backward(np.ones((4, 3)))
    assert not minires.modes.modes.recomputing
    with no_grad():
        assert (leaf() * 2.0).op is None
    with pytest.raises(UsageError, match="returns a Tensor, got int"):
        checkpoint(lambda x: 3, leaf())
    with pytest.raises(UsageError, match="checkpoint_every must be at least 1, got 0"):
        models.cifar_resnet(8, checkpoint_every=0)


# --- memory -------------------------------------------------------------------------------


def test_only_inputs_are_kept():
    net = models.cifar_resnet(32)
    kept = [
        sum(node.saved for node in Graph(F.cross_entropy(n(images()), np.arange(6))).nodes)
        for n in (net, models.cifar_resnet(32, checkpoint_every=2))
    ]
    assert kept[1] < kept[0] / 5


def test_what_was_computed_inside_is_gone_after_forward():
    inside = []

    def function(x):
        y = x.exp()
        inside.append(weakref.ref(y))
        return y * 2.0

    y = checkpoint(function, leaf())
    gc.collect()
    assert inside[0]() is None
    y.backward(np.ones((4, 3)))
    gc.collect()
    assert inside[1]() is None
