"""Lazy feature maps: realizing them, wherever and whenever, shows and changes nothing."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machines import machine, machines
from oracles import LAYOUTS, assert_same, cotangent, laid_out

import minires
from minires import Op, Tensor, no_grad, textbook
from minires import functional as F
from minires.autograd.hooks import forward_hook
from minires.errors import NonFiniteError
from minires.kernels import REFERENCE
from minires.models import cifar_resnet


def numbers(seed, shape, dtype=np.float64):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def leaf(seed, shape, dtype=np.float64):
    return Tensor(numbers(seed, shape, dtype), requires_grad=True)


def normalised(x, seed=7):
    """Batch norm with a weight and a bias of its own; also these two."""
    w, b = (leaf([seed, i], x.shape[1:2], x.dtype) for i in range(2))
    return F.batch_norm(x, None, None, w, b, training=True), w, b


def made(x):
    """x, as an operation has made it: lazy arrays can be made of its memory."""
    return F.pad(x, (0, 0))


def ops_behind(y):
    """Every op that led to y."""
    found, waiting = [], [y.op]
    while waiting:
        op = waiting.pop()
        if op not in found:
            found.append(op)
            waiting += [source for source in op.sources if isinstance(source, Op)]
    return found


# --- any program --------------------------------------------------------------------------

KINDS = ("batch norm", "relu", "add", "add", "made", "times", "sliced", "convolution")


@st.composite
def programs(draw):
    """(kind, input, other input, looked at, gradient retained) of operations on maps."""
    steps = []
    for made_so_far in range(1, draw(st.integers(2, 9))):
        before = st.integers(0, made_so_far - 1)
        recent = st.integers(max(0, made_so_far - 2), made_so_far - 1)
        looked, retained = draw(st.integers(0, 3)) == 0, draw(st.integers(0, 3)) == 0
        steps.append((draw(st.sampled_from(KINDS)), draw(recent), draw(before), looked, retained))
    return steps


def maps_of(program, x):
    """The maps that a program makes of x, and the leaves that it made."""
    maps, leaves = [x], [x]
    for number, (kind, i, k, looked, retained) in enumerate(program):
        a, b = maps[i], maps[k]
        if kind == "batch norm":
            y, *more = normalised(a, number)
            leaves += more
        elif kind == "relu":
            y = F.relu(a)
        elif kind == "add":
            y = a + b
        elif kind == "made":
            y = made(a)
        elif kind == "times":
            y = a * 1.5
        elif kind == "sliced":
            y = a[:, ::-1]
        else:
            w = leaf([number, 0], (x.shape[1], x.shape[1], 3, 3))
            leaves.append(w)
            y = F.conv2d(a, w, padding=1)
        if looked:
            assert isinstance(y.data, np.ndarray)
        if retained:
            y.retain_grad()
        maps.append(y)
    return maps, leaves


def answers(program, shape):
    """The values of all maps and the gradients of all leaves and of what was retained."""
    x = leaf(0, shape)
    maps, leaves = maps_of(program, x)
    y = maps[-1] + maps[len(maps) // 2]
    y.backward(cotangent(y))
    gradients = [t.grad for t in (*leaves, *(m for m in maps if m.retains_grad))]
    return [m.data for m in maps], gradients


@settings(max_examples=300)
@given(programs(), st.tuples(*(st.integers(1, n) for n in (5, 4, 6, 6))), machines)
def test_any_program_gives_what_the_reference_gives(program, shape, anywhere):
    N, C, H, W = shape
    shape = (N + 7, C, H, W)  # batch norm of a few values has hardly a gradient to compare
    with machine(*anywhere):
        values, gradients = answers(program, shape)
        with textbook():
            expected, expected_gradients = answers(program, shape)
    assert_same(values, expected, 1e-10)
    # Two batch norms in a row leave a gradient of 0: compared with what went in.
    largest = 1 + max(np.abs(g).max() for g in expected_gradients if g is not None)
    for got, right in zip(gradients, expected_gradients, strict=True):
        assert (got is None) == (right is None), "what the end does not depend on"
        assert got is None or np.abs(got - right).max() < 1e-10 * largest


def test_a_program_that_begins_in_the_reference_ends_outside_and_the_other_way_round():
    def gradients(*by_the_book):
        x, w = leaf(0, (3, 4, 5, 6)), leaf(1, (4, 4, 3, 3))
        with machine(2, tiny=True):
            y = x
            for here in by_the_book:
                if here:
                    with textbook():
                        y = F.relu(normalised(F.conv2d(y, w, padding=1))[0] + y)
                else:
                    y = F.relu(normalised(F.conv2d(y, w, padding=1))[0] + y)
            by_reference = {op.kernel is REFERENCE for op in ops_behind(y)}
            assert by_reference == {*by_the_book, True}
            y.backward(cotangent(y))
        return x.grad, w.grad

    expected = gradients(True, True)
    assert_same(gradients(True, False), expected, 1e-11)
    assert_same(gradients(False, True), expected, 1e-11)
    assert_same(gradients(False, False), expected, 1e-11)


def test_backward_goes_the_way_that_forward_went():
    def gradient(forward, backward):
        x = leaf(0, (3, 4, 5, 6))
        with forward():
            h = made(x)
            y = F.relu(normalised(h)[0] + h) + h
        with backward():
            y.backward(cotangent(y))
        return x.grad

    def fast():
        return machine(2, tiny=True)

    expected = gradient(textbook, textbook)
    for forward, backward in ((textbook, fast), (fast, textbook), (fast, fast)):
        assert_same(gradient(forward, backward), expected, 1e-12)


# --- looking ------------------------------------------------------------------------------


def joined(look_at, dtype=np.float32):
    """A join of two batch norms and a shortcut; what is named in `look_at` is looked at."""
    x, w = leaf(0, (9, 6, 8, 8), dtype), leaf(1, (6, 6, 3, 3), dtype)
    tensors = {"x": x}

    def seen(name, y):
        tensors[name] = y
        if name in look_at:
            assert isinstance(y.data, np.ndarray)
        return y

    h = seen("conv", F.conv2d(x, w, padding=1))
    a = seen("relu", F.relu(seen("bn", normalised(h, 1)[0])))
    b = seen("bn2", normalised(h, 2)[0])
    c = seen("bn3", normalised(a, 3)[0])
    y = F.relu(seen("join2", seen("join", b + c) + a))
    y.backward(cotangent(y))
    return y.data, x.grad, w.grad


def test_a_lazy_array_is_the_same_in_every_bit_if_it_was_realized_before():
    expected = joined(())
    for look_at in (("bn",), ("relu",), ("conv",), ("bn", "relu", "conv")):
        for got, right in zip(joined(look_at), expected, strict=True):
            np.testing.assert_array_equal(got, right, err_msg=str(look_at))


@pytest.mark.parametrize("look_at", ["bn2", "bn3", "join", "join2"])
def test_a_residual_addition_is_the_same_up_to_rounding_if_its_branches_were_realized_before(
    look_at,
):
    """Added up in another order: (scale x + a) + shift, or (scale x + shift) + a."""
    assert_same(joined((look_at,), np.float64), joined((), np.float64), 1e-12)


def test_a_tensor_is_asked_for_its_shape_and_type_without_being_computed():
    """Else every check of sizes would compute what a ReLU could have computed with its own."""
    y, *_ = normalised(made(leaf(0, (5, 4, 3, 2), np.float32)))
    held = y.held
    assert (y.shape, y.dtype, y.ndim, y.size) == ((5, 4, 3, 2), np.float32, 4, 120)
    assert y.requires_grad
    assert y.op.name == "BatchNorm"
    assert y.held is held
    assert not isinstance(held, np.ndarray)
    assert y.data is y.data
    assert isinstance(y.held, np.ndarray)


def test_a_lazy_array_can_be_copied_pickled_and_read_by_numpy():
    def lazy():
        with no_grad():
            return normalised(made(leaf(0, (5, 4, 3, 2))))[0]

    expected = lazy().data
    assert not isinstance(lazy().held, np.ndarray)
    for read in (
        copy.deepcopy,
        lambda y: pickle.loads(pickle.dumps(y)),
        Tensor,
        Tensor.detach,
        Tensor.numpy,
        np.asarray,
        np.from_dlpack,
        lambda y: Tensor(y, dtype=np.float64),
        lambda y: y[:],
        lambda y: np.stack(list(y)),
    ):
        np.testing.assert_array_equal(np.asarray(read(lazy())), expected)
    assert repr(lazy()) == repr(Tensor(expected))
    assert len(lazy()) == 5


@pytest.mark.parametrize("look", ["nothing", "gy", "gxs", "gy and gxs", "gxs of every second"])
def test_looking_at_the_steps_of_backward_changes_no_bit(look):
    def gradients(look):
        minires.manual_seed(0)
        net = cifar_resnet(8, "B")
        loss = F.cross_entropy(net(numbers(0, (6, 3, 16, 16), np.float32)), np.arange(6))
        for i, step in enumerate(loss.backward_steps()):
            if "gy" in look:
                assert isinstance(step.gy, np.ndarray)
                assert step.gy is step.gy
            if "gxs" in look and (i % 2 or "second" not in look):
                wanted = zip(step.gxs, step.sources, strict=True)
                assert all(isinstance(g, np.ndarray) for g, source in wanted if source is not None)
        return [p.grad for p in net.parameters()]

    with machine(2, tiny=False):
        for got, expected in zip(gradients(look), gradients("nothing at all"), strict=True):
            np.testing.assert_array_equal(got, expected)


def test_steps_show_the_gradients_of_the_reference_and_the_same_names_and_lines():
    def walked():
        minires.manual_seed(0)
        net = cifar_resnet(8, "B").to("float64")
        loss = F.cross_entropy(net(numbers(0, (6, 3, 16, 16))), np.arange(6))
        steps = [*loss.backward_steps()]
        places = [(s.op.name, s.op.path, s.op.line, s.op.input_names) for s in steps]
        shapes = [(s.op.input_shapes, s.op.needs_grad, s.op.dtype) for s in steps]
        return places, shapes, [(s.gy, s.gxs) for s in steps]

    places, shapes, gradients = walked()
    with textbook():
        expected_places, expected_shapes, expected_gradients = walked()
    assert places == expected_places
    assert shapes == expected_shapes
    for (gy, gxs), (expected_gy, expected_gxs) in zip(gradients, expected_gradients, strict=True):
        assert_same(gy, expected_gy, 1e-9)
        assert_same(gxs, expected_gxs, 1e-9)


@pytest.mark.parametrize("at", ["ReLU", "Add", "BatchNorm", "Conv2d"])
@pytest.mark.parametrize("put", [None, lambda g: g * 0, lambda g: np.asfortranarray(-3 * g)])
def test_a_gradient_that_is_replaced_in_a_step_is_what_goes_on(at, put):
    def gradients():
        x, w = leaf(0, (5, 4, 6, 6)), leaf(1, (4, 4, 3, 3))
        h = F.relu(normalised(F.conv2d(x, w, padding=1))[0])
        y = F.relu(normalised(F.conv2d(h, w, padding=1), 8)[0] + h)
        replaced = 0
        for step in y.backward_steps(cotangent(y)):
            if step.op.name == at:
                step.gxs[0] = None if put is None else put(step.gxs[0])
                replaced += 1
        assert replaced
        return x.grad, w.grad

    got = gradients()
    with textbook():
        assert_same(got, gradients(), 1e-10)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradients_of_any_layout_come_in_and_are_retained(layout):
    def gradients():
        x = leaf(0, (5, 4, 6, 3))
        h = made(x)
        a, w, b = normalised(h)
        c = a + h
        y = F.relu(c)
        inside = [h, a, c, y]
        for tensor in inside:
            tensor.retain_grad()
        y.backward(laid_out(cotangent(y), layout))
        assert all(isinstance(t.grad, np.ndarray) for t in inside)
        owners = [t.grad for t in inside]
        assert not any(np.shares_memory(p, q) for p in owners for q in owners if p is not q)
        return [t.grad for t in (x, w, b, *inside)]

    got = gradients()
    with textbook():
        assert_same(got, gradients(), 1e-12)


def test_a_graph_that_is_retained_gives_the_same_bits_twice():
    x = leaf(0, (5, 4, 6, 3))
    h = made(x)
    y = F.relu(F.relu(normalised(h)[0] + h) + normalised(h, 8)[0])
    gy = cotangent(y)
    y.backward(gy, retain_graph=True)
    first = x.grad.copy()
    y.backward(gy, retain_graph=True)
    np.testing.assert_array_equal(x.grad, 2 * first)
    y.backward(gy)
    np.testing.assert_array_equal(x.grad, first * 3)


def test_inputs_without_a_gradient_get_none():
    for make in (lambda x: normalised(made(x))[0], lambda x: F.relu(normalised(made(x))[0] + x)):
        x = Tensor(numbers(0, (5, 4, 6, 3)))
        y = make(x)
        y.backward(cotangent(y))
        assert x.grad is None


# --- hooks --------------------------------------------------------------------------------


def test_hooks_see_every_operation_of_the_reference_with_arrays():
    def watched():
        minires.manual_seed(0)
        net, seen = cifar_resnet(8, "B").to("float64"), []
        with forward_hook(lambda *what: seen.append(what)):
            net(numbers(0, (6, 3, 16, 16)))
        return seen

    got = watched()
    with textbook():
        expected = watched()
    assert [op.name for op, _, _ in got] == [op.name for op, _, _ in expected]
    for (_, inputs, output), (_, right_inputs, right_output) in zip(got, expected, strict=True):
        assert isinstance(output, np.ndarray)
        assert_same(output, right_output, 1e-10)
        assert all(a is None or isinstance(a, np.ndarray) for a in inputs)
        assert_same(inputs, right_inputs, 1e-10)


def test_a_hook_that_comes_late_sees_lazy_arrays_from_before():
    y, *_ = normalised(made(leaf(0, (5, 4, 3, 2))))
    seen = []
    with forward_hook(lambda op, inputs, output: seen.append((inputs, output))):
        z = F.relu(y)
    (inputs, output) = seen[0]
    np.testing.assert_array_equal(inputs[0], y.data)
    np.testing.assert_array_equal(output, z.data)


def test_the_first_nan_is_found_between_lazy_arrays():
    x = numbers(0, (5, 4, 3, 2))
    x[2, 1] = np.inf
    y = made(Tensor(x, requires_grad=True))
    with np.errstate(all="ignore"):
        z, *_ = normalised(y)
        for function, name in ((F.relu, "ReLU"), (normalised, "BatchNorm")):
            given_it = pytest.raises(NonFiniteError, match=f"{name} .*already in its input x")
            with given_it, minires.detect_anomaly():
                function(z if name == "ReLU" else y)


# --- arrays that belong to somebody -------------------------------------------------------


@pytest.mark.parametrize("layout", [*LAYOUTS, "as results lie"])
@pytest.mark.parametrize(
    "function",
    [lambda x: normalised(x)[0], F.relu, lambda x: x + x, lambda x: F.relu(normalised(x)[0] + x)],
    ids=["batch norm", "relu", "add", "join"],
)
def test_what_was_returned_stays_though_the_array_that_was_given_is_changed(function, layout):
    x = numbers(0, (5, 4, 3, 2))
    expected = function(Tensor(x)).data.copy()
    if layout == "as results lie":
        mine = np.ascontiguousarray(x.transpose(2, 1, 3, 0)).transpose(3, 1, 0, 2)
    else:
        mine = laid_out(x, layout)
    y = function(Tensor(mine))
    mine[...] = 0
    assert_same(y.data, expected, 1e-13)


def test_changing_the_weights_changes_nothing_lazy():
    """As an optimiser does, between two nets that share a layer."""
    h = made(leaf(0, (5, 4, 3, 2)))
    y, w, b = normalised(h)
    expected = normalised(Tensor(h.data))[0].data
    w.data *= 3
    b.data += 1
    assert_same(y.data, expected, 1e-13)


def test_lazy_arrays_are_released_with_what_they_hold():
    import weakref

    h = made(leaf(0, (5, 4, 3, 2)))
    y = F.relu(normalised(h)[0] + h)
    maps = weakref.ref(h.data)
    del h
    y.backward(cotangent(y))
    assert maps() is None
