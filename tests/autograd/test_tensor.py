"""The graph and the walk backwards through it."""

import gc
import inspect
import weakref
from contextlib import contextmanager
from fractions import Fraction

import numpy as np
import pytest
from oracles import needs_torch, to_torch, torch

from minires import Op, Tensor, models, nn, no_grad
from minires import functional as F
from minires.errors import DTypeError, GraphError, ShapeError, StateDictError, UsageError


def leaf(values, dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


@contextmanager
def no_garbage_collection():
    """Inside, only reference counts free anything, so that a cycle would show."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Twice(Op):
    """y = 2 x, with whatever gradient it is given."""

    def __init__(self, gradient=lambda gy: 2 * gy):
        self.gradient = gradient

    def forward(self, x):
        self.save(x)
        return 2 * x

    def backward(self, gy):
        return self.gradient(gy)


# --- gradients add up ---------------------------------------------------------------------


def test_an_input_used_twice_gets_both_gradients():
    x = leaf([1, 2])
    (x + x).backward([1, 10])
    assert x.grad.tolist() == [2, 20]
    x.zero_grad()
    (x * x).backward([1, 10])
    assert x.grad.tolist() == [2, 40]


def test_a_diamond():
    x = leaf([3])
    a = x * 2
    y = a * a + a.exp() * a
    y.backward()
    e = np.exp(6)
    assert x.grad == pytest.approx(2 * (2 * 6 + e * 6 + e))


def test_an_op_runs_once_however_many_paths_lead_to_it():
    """A walk path by path, as one engine has it, takes twice the time for every join."""
    steps = []
    for depth in (10, 20, 40):
        x = leaf([1e-3])
        y = x
        for _ in range(depth):
            y = y + y.relu()
        steps.append(sum(1 for _ in y.backward_steps()))
        assert x.grad[0] == 2.0**depth
    assert steps == [20, 40, 80]


def test_backward_of_a_residual_net_takes_as_many_steps_as_it_has_ops():
    def steps(depth):
        net = models.cifar_resnet(depth)
        y = net(np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32))
        return sum(1 for _ in y.sum().backward_steps())

    assert [steps(20) - steps(14), steps(26) - steps(20)] == [3 * 7, 3 * 7]


def test_the_arms_of_an_addition_get_arrays_of_their_own():
    a, b = leaf([1, 2]), leaf([3, 4])
    gy = np.ones(2)
    (a + b).backward(gy)
    assert not np.shares_memory(a.grad, b.grad)
    assert not np.shares_memory(a.grad, gy)
    a.grad *= 5
    assert b.grad.tolist() == gy.tolist() == [1, 1]


def test_leaves_add_up_over_calls_until_zero_grad():
    x = leaf([1, 2])
    for expected in (3, 6, 9):
        (x * 3).sum().backward()
        assert x.grad.tolist() == [expected] * 2
    first = x.grad
    (x * 3).sum().backward()
    assert first.tolist() == [9, 9], "a gradient given out was changed"
    x.zero_grad()
    assert x.grad is None
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_a_leaf_of_one_number_keeps_an_array():
    x = leaf(2)
    for expected in (4, 8):
        (x * x).backward()
        assert isinstance(x.grad, np.ndarray)
        assert x.grad.shape == ()
        assert x.grad == expected
        assert x.grad.dtype == np.float64


def test_backward_of_a_leaf():
    x = leaf([1, 2])
    x.backward([3, 4])
    assert x.grad.tolist() == [3, 4]


def test_only_leaves_keep_a_gradient_unless_asked():
    x = leaf([2])
    a = x * 3
    b = a * a
    a.retain_grad()
    c = b * 1
    c.backward()
    assert a.grad.tolist() == [12]
    assert b.grad is None
    assert c.grad is None
    assert x.grad.tolist() == [36]


def test_the_output_can_retain_its_gradient_too():
    y = leaf([2]) * 3
    y.retain_grad()
    y.backward([5])
    assert y.grad.tolist() == [5]


def test_a_retained_gradient_of_a_shared_tensor_is_complete():
    x = leaf([2])
    a = x * 1
    a.retain_grad()
    (a + a * a).backward()
    assert a.grad.tolist() == [5]


# --- the walk -----------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [5_000, 20_000])
def test_a_deep_graph_neither_recurses_forward_nor_backward_nor_when_freed(depth):
    x = leaf([1.0])
    y = x
    for i in range(depth):
        y = y + 0.0 if i % 2 else -y
    last = weakref.ref(y.op)
    y.backward()
    assert x.grad.tolist() == [1.0]
    del y
    assert last() is None


def test_a_deep_graph_is_freed_without_backward():
    y = leaf([1.0])
    for _ in range(20_000):
        y = y + 0.0
    last = weakref.ref(y.op)
    with no_garbage_collection():
        del y
        assert last() is None


def residual_block():
    rng = np.random.default_rng(0)
    x, w = leaf(rng.normal(size=(2, 3, 4, 4))), leaf(rng.normal(size=(3, 3, 3, 3)))
    y = x + F.relu(F.conv2d(x, w, padding=1))
    return x, w, F.relu(y) * y


def test_backward_is_backward_steps_exhausted():
    x, w, y = residual_block()
    gy = np.random.default_rng(1).normal(size=y.shape)
    y.backward(gy)
    x2, w2, y2 = residual_block()
    steps = list(y2.backward_steps(gy))
    assert [s.op.name for s in steps] == ["Mul", "ReLU", "Add", "ReLU", "Conv2d"]
    np.testing.assert_array_equal(x.grad, x2.grad)
    np.testing.assert_array_equal(w.grad, w2.grad)


def test_a_step_says_what_came_in_what_goes_on_and_where():
    x = leaf([2.0, 3.0])
    a = x * 4.0
    steps = list((a + 1.0).backward_steps([10, 20]))
    add, mul = steps
    assert add.op.name == "Add"
    assert add.gy.tolist() == [10, 20]
    assert add.gxs[0].tolist() == [10, 20]
    assert add.sources == (mul.op, None)
    assert mul.op is a.op
    assert mul.gxs[0].tolist() == [40, 80]
    assert mul.sources == (x, None)
    assert all(s.seconds >= 0 for s in steps)


def test_gradients_reach_the_leaf_only_after_the_step_was_given_out():
    x = leaf([2.0])
    steps = (x * 4.0).backward_steps()
    next(steps)
    assert x.grad is None
    assert list(steps) == []
    assert x.grad.tolist() == [4]


def test_stopping_midway_leaves_the_rest_undone():
    a, b = leaf([2.0]), leaf([3.0])
    steps = (a * b + a).backward_steps()
    assert next(steps).op.name == "Add"
    assert next(steps).op.name == "Mul"
    steps.close()
    assert a.grad.tolist() == [1], "the addition's, and not yet the product's"
    assert b.grad is None


@pytest.mark.parametrize("factor", [0.0, 0.5, -3.0])
def test_what_is_changed_in_a_step_is_what_goes_on(factor):
    x, w = leaf([2.0]), leaf([3.0])
    for step in (x * w).exp().backward_steps():
        if step.op.name == "Exp":
            step.gxs[0] = step.gxs[0] * factor
    assert w.grad == pytest.approx(2 * np.exp(6) * factor)
    assert x.grad == pytest.approx(3 * np.exp(6) * factor)


def test_a_gradient_taken_out_of_a_step_stops_there():
    x, w = leaf([2.0]), leaf([3.0])
    for step in (x * (w * 2)).backward_steps():
        if step.op.name == "Mul" and step.gxs[1] is not None and step.sources[0] is x:
            step.gxs[1] = None
    assert x.grad.tolist() == [6]
    assert w.grad is None


@pytest.mark.parametrize(
    ("gradient", "error", "said"),
    [
        (lambda gy: gy[:1], ShapeError, ["(1,)", "(2,)"]),
        (lambda gy: gy.sum(), ShapeError, ["()", "(2,)"]),
        (lambda gy: gy[None], ShapeError, ["(1, 2)", "(2,)"]),
        (lambda gy: gy.astype(np.float32), DTypeError, ["float32", "float64"]),
        (lambda gy: (gy, gy), ShapeError, ["2 gradients", "1 inputs"]),
        (lambda gy: (), ShapeError, ["0 gradients", "1 inputs"]),
    ],
)
def test_a_gradient_unlike_its_input_raises(gradient, error, said):
    said = ["Twice", *said]
    with pytest.raises(error) as refusal:
        Twice(gradient)(leaf([1, 2])).backward([1, 1])
    assert all(words in str(refusal.value) for words in said)
    steps = Twice()(leaf([1, 2])).backward_steps([1, 1])
    step = next(steps)
    changed = gradient(step.gxs[0])
    step.gxs[:] = changed if isinstance(changed, tuple) else [changed]
    with pytest.raises(error) as refusal:
        next(steps)
    assert all(words in str(refusal.value) for words in said)


def test_an_op_whose_output_was_not_used_is_passed_over():
    """Its gradient was None everywhere: nothing to walk back with."""

    class Blocks(Op):
        def forward(self, x):
            return x

        def backward(self, gy):
            return None

    x, z = leaf([1.0]), leaf([1.0])
    (Blocks()(x * 2) + z).backward()
    assert x.grad is None
    assert z.grad.tolist() == [1]


# --- what backward raises -----------------------------------------------------------------


def test_a_second_backward_raises_in_a_sentence():
    x = leaf([1, 2])
    y = (x * x).sum()
    y.backward()
    with pytest.raises(GraphError) as refusal:
        y.backward()
    said = str(refusal.value)
    assert "already been through Sum" in said
    assert "test_tensor.py" in said
    assert "retain_graph=True" in said
    assert "run forward again" in said
    assert x.grad.tolist() == [2, 4], "nothing was added"


def test_a_backward_into_a_part_that_was_released_raises_before_it_starts():
    x, z = leaf([1, 2]), leaf([1, 1])
    a = x * x
    a.sum().backward()
    with pytest.raises(GraphError, match=r"already been through Mul \("):
        (a * z).sum().backward()
    assert z.grad is None
    assert x.grad.tolist() == [2, 4]


def test_retain_graph():
    x = leaf([1, 2])
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [6, 12]
    with pytest.raises(GraphError):
        y.backward()


def test_backward_without_a_leaf_raises():
    with pytest.raises(GraphError, match="no leaf with requires_grad=True"):
        (Tensor([1.0]) * 2).backward()
    with no_grad():
        y = leaf([1]) * 2
    with pytest.raises(GraphError, match=r"outside no_grad\(\)"):
        y.backward()


def test_backward_of_several_elements_needs_a_gradient_of_their_shape():
    y = leaf([[1, 2], [3, 4]]) * 2
    with pytest.raises(ShapeError, match=r"shape \(2, 2\) needs gy"):
        y.backward()
    with pytest.raises(ShapeError, match=r"gy of shape \(2,\) for a tensor of shape \(2, 2\)"):
        y.backward([1, 2])


def test_backward_takes_arrays_tensors_and_lists_of_any_type():
    for gy in ([1, 2], np.array([1, 2], np.float32), Tensor(np.array([1, 2])), (1.0, 2.0)):
        x = leaf([5, 6])
        (x * 3).backward(gy)
        assert x.grad.tolist() == [3, 6]
        assert x.grad.dtype == np.float64


def test_an_op_is_for_one_use():
    op = Twice()
    op(leaf([1]))
    with pytest.raises(GraphError, match="Twice has been applied before"):
        op(leaf([1]))


def test_an_op_cannot_call_an_attribute_of_its_own_kernel():
    op = Twice()
    op.kernel = (3, 3)
    with pytest.raises(UsageError, match=r"Twice has set self\.kernel"):
        op(leaf([1]))


# --- memory -------------------------------------------------------------------------------


def test_what_an_op_saved_is_released_before_the_next_one_runs():
    x = leaf(np.ones(3))
    y = ((x * 2.0).exp() * 3.0).exp()
    saved = [weakref.ref(y.op.saved[0])]
    op = y.op
    while isinstance(op.sources[0], Op):
        op = op.sources[0]
        if op.name == "Exp":
            saved.append(weakref.ref(op.saved[0]))
    del op
    loss = y.sum()
    del y
    alive = []
    with no_garbage_collection():
        for step in loss.backward_steps():
            name = step.op.name
            del step
            alive.append((name, [ref() is not None for ref in saved]))
    assert alive == [
        ("Sum", [True, True]),
        ("Exp", [False, True]),
        ("Mul", [False, True]),  # 3.0 times the first exponential
        ("Exp", [False, False]),
        ("Mul", [False, False]),
    ]


def test_the_graph_behind_a_released_op_is_let_go_though_the_loss_is_kept():
    loss = (leaf(np.ones(3)).exp() * 2.0).sum()
    before = [weakref.ref(loss.op.sources[0]), weakref.ref(loss.op.sources[0].sources[0])]
    with no_garbage_collection():
        loss.backward(retain_graph=True)
        assert all(ref() for ref in before)
        loss.backward()
        assert not any(ref() for ref in before)


def test_with_retain_graph_it_is_kept():
    y = leaf(np.ones(3)).exp().sum()
    exp = y.op.sources[0]
    y.backward(retain_graph=True)
    assert len(exp.saved) == 1
    y.backward()
    assert exp.saved == ()


def test_activations_that_backward_does_not_need_are_freed_in_forward():
    x = leaf(np.ones(3))
    with no_garbage_collection():
        a = x + 1.0
        data = weakref.ref(a.data)
        y = a + 1.0
        del a
        assert data() is None
        b = x * 2.0
        data = weakref.ref(b.data)
        z = b.exp() * y
        kept = weakref.ref(z.op.saved[0])
        del b
        assert data() is None, "exp saves its output, not its input"
        assert kept() is not None
        del y, z
        assert kept() is None


def test_no_cycles_a_dropped_loss_frees_everything():
    net = models.cifar_resnet(8)
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)
    with no_garbage_collection():
        for walk in (False, True):
            loss = F.cross_entropy(net(x), [1, 2])
            ops, waiting = [], [loss.op]
            while waiting:
                op = waiting.pop()
                ops.append(weakref.ref(op))
                waiting += [s for s in op.sources if isinstance(s, Op)]
            del op
            if walk:
                loss.backward()
            del loss
            assert len(ops) > 20
            assert not any(ref() for ref in ops)


def test_the_graph_dies_with_its_walk_half_way():
    y = (leaf(np.ones(3)).exp() * 2.0).sum()
    exp = weakref.ref(y.op.sources[0].sources[0])
    with no_garbage_collection():
        steps = y.backward_steps()
        next(steps)
        del y
        assert exp() is not None
        steps.close()
        del steps
        assert exp() is None


# --- no_grad and requires_grad ------------------------------------------------------------


def test_no_grad_records_nothing_and_ends_even_after_an_error():
    x = leaf([1.0])
    with no_grad():
        y = x * 2
        assert y.op is None
        assert not y.requires_grad
        with pytest.raises(ShapeError), no_grad():
            x.reshape(2)
        assert (x * 2).op is None, "the inner no_grad ended the outer one"
    with pytest.raises(ShapeError), no_grad():
        x.reshape(2)
    assert (x * 2).op is not None


def test_no_grad_holds_for_its_own_thread_only():
    from threading import Thread

    seen = []
    with no_grad():
        thread = Thread(target=lambda: seen.append((leaf([1.0]) * 2).requires_grad))
        thread.start()
        thread.join()
    assert seen == [True]


def test_an_op_without_a_gradient_to_give_saves_nothing():
    op = Twice()
    op(Tensor([1.0]))
    assert op.saved == ()
    assert op.sources == ()


def test_only_what_requires_a_gradient_gets_one():
    x, fixed = leaf([2.0]), Tensor(np.array([3.0]))
    y = x * fixed
    assert y.requires_grad
    assert y.op.needs_grad == (True, False)
    y.backward()
    assert fixed.grad is None
    assert not x.detach().requires_grad
    assert np.shares_memory(x.detach().data, x.data)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool, np.float16, np.complex128])
def test_only_float32_and_float64_have_gradients(dtype):
    with pytest.raises(DTypeError, match=f"float32 and float64.*got {np.dtype(dtype)}"):
        Tensor(np.ones(2, dtype), requires_grad=True)


# --- types --------------------------------------------------------------------------------

NUMBERS = {
    "int": 2,
    "float": 2.5,
    "bool": True,
    "NumPy float64": np.float64(2.5),
    "NumPy float32": np.float32(2.5),
    "NumPy int64": np.int64(2),
    "0-d float64": np.array(2.5),
    "0-d int": np.array(2),
    "array of int": np.array([2, 3]),
    "array of float64": np.array([2.0, 3.0]),
    "list": [2, 3],
}


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "function",
    [
        lambda x, n: x + n,
        lambda x, n: n + x,
        lambda x, n: x - n,
        lambda x, n: n - x,
        lambda x, n: x * n,
        lambda x, n: n * x,
        lambda x, n: x / n,
        lambda x, n: n / x,
    ],
    ids=["x+n", "n+x", "x-n", "n-x", "x*n", "n*x", "x/n", "n/x"],
)
def test_numbers_and_arrays_take_the_type_of_the_tensor(function, dtype, number):
    x = leaf([4, 5], dtype)
    y = function(x, number)
    assert isinstance(y, Tensor)
    assert y.dtype == dtype
    np.testing.assert_allclose(y.data, function(np.array([4.0, 5.0]), np.asarray(number, float)))
    y.sum().backward()
    assert x.grad.dtype == dtype


def test_sum_of_a_list_of_tensors_starts_at_the_number_0():
    x = leaf([1, 2], np.float32)
    y = sum([x, x, x])
    assert y.dtype == np.float32
    assert (x**2).dtype == (x ** np.float64(0.5)).dtype == np.float32


def test_a_list_of_numbers_becomes_float32_and_integers_stay():
    assert Tensor([1.0, 2.0]).dtype == np.float32
    assert Tensor(1.5).dtype == np.float32
    assert Tensor([1, 2]).dtype.kind == "i"
    assert Tensor(np.float64(1.5)).dtype == np.float64
    assert Tensor(np.ones(2)).dtype == np.float64
    assert Tensor(np.ones(2), dtype=np.float32).dtype == np.float32
    assert Tensor(leaf([1])).dtype == np.float64


def test_an_array_is_kept_and_not_copied():
    a = np.ones(3)
    assert Tensor(a).data is a
    assert Tensor(Tensor(a)).data is a


def test_types_are_not_mixed():
    with pytest.raises(DTypeError, match="Add got a float32 and b float64; convert one of them"):
        leaf([1], np.float32) + leaf([1])
    with pytest.raises(DTypeError, match="Conv2d got x float64 and w float32"):
        F.conv2d(Tensor(np.ones((1, 1, 3, 3))), Tensor(np.ones((1, 1, 3, 3), np.float32)))
    with pytest.raises(DTypeError, match="Mul got a int64 and b float32"):
        Tensor(np.array([1, 2])) * leaf([1, 2], np.float32)


def test_an_op_that_drifts_raises():
    class Drifts(Op):
        def forward(self, x):
            return x.astype(np.float64)

    with pytest.raises(DTypeError, match="Drifts made float64 out of float32"):
        Drifts()(leaf([1], np.float32))


# --- arrays in and out --------------------------------------------------------------------


def test_numpy_reads_a_tensor():
    x = leaf([[1, 2], [3, 4]])
    assert np.asarray(x) is x.data or np.shares_memory(np.asarray(x), x.data)
    assert np.asarray(x, np.float32).dtype == np.float32
    assert not np.shares_memory(np.array(x, copy=True), x.data)
    assert np.shares_memory(np.from_dlpack(x), x.data)
    assert np.from_dlpack(x).tolist() == [[1, 2], [3, 4]]


@needs_torch
def test_pytorch_reads_a_tensor_and_is_read():
    x = leaf([1, 2])
    shared = torch.from_dlpack(x)
    assert shared.tolist() == [1, 2]
    x.data[0] = 9
    assert shared[0] == 9
    assert Tensor(np.from_dlpack(to_torch(np.ones(2)))).shape == (2,)


def test_indexing_and_iterating_end():
    x = leaf([[1, 2], [3, 4], [5, 6]])
    rows = list(x)
    assert len(rows) == len(x) == 3
    assert [r.numpy().tolist() for r in rows] == [[1, 2], [3, 4], [5, 6]]
    a, b, c = x
    (a + c * b).sum().backward()
    assert x.grad.tolist() == [[1, 1], [5, 6], [3, 4]]
    with pytest.raises(IndexError):
        x[3]


def test_what_a_tensor_says_of_itself():
    x = leaf([[1, 2], [3, 4]])
    assert (x.shape, x.ndim, x.size, x.dtype) == ((2, 2), 2, 4, np.float64)
    assert x.sum().item() == 10
    assert "requires_grad=True" in repr(x)
    assert "op=Sum" in repr(x.sum())
    assert "float32" in repr(Tensor([1.0]))


# --- where it was made --------------------------------------------------------------------


def here():
    """The line that calls this."""
    return __file__, inspect.currentframe().f_back.f_lineno


def test_an_op_knows_its_forward_line():
    x = leaf(np.ones((1, 1, 3, 3)))
    assert (x + x).op.line == here()
    assert x.reshape(9).op.line == here()
    assert x.flatten().op.line == here()
    assert x.T.op.line == here()
    assert F.conv2d(x, x).op.line == here()
    assert F.batch_norm(x, None, None, [1.0], [0.0], training=True).op.line == here()
    assert F.shortcut_a(x, 3, 2).op.line == here()
    assert Twice()(x).op.line == here()
    assert nn.ReLU()(x).op.line == here()
    assert nn.Sequential(nn.ReLU(), nn.ReLU())(x).op.line == here()
    assert (x + x).op.path == ""
    assert (x + x).op.where == "{}:{}".format(*here())


class Doubled(nn.Module):
    """A module whose forward is in this file."""

    def __init__(self):
        self.inner = nn.Sequential(nn.ReLU(), nn.ReLU())

    def forward(self, x):
        self.line = here()[0], here()[1] + 1
        x = x * 2
        return self.inner(x)


def test_an_op_knows_its_module():
    net = nn.Sequential(Doubled(), nn.ReLU())
    y = net(leaf([1.0]))
    steps = list(y.backward_steps())
    assert [s.op.path for s in steps] == ["1", "0.inner.1", "0.inner.0", "0"]
    assert steps[-1].op.line == net[0].line
    assert steps[-1].op.where == "0, {}:{}".format(*net[0].line)


def test_the_paths_of_a_resnet_are_the_names_of_its_modules():
    net = models.cifar_resnet(14, "B")
    y = net(np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32))
    steps = list(y.sum().backward_steps())
    paths = [s.op.path for s in steps]
    names = {name for name, _ in net.named_modules()}
    assert set(paths) <= names
    assert paths[:3] == ["", "fc", ""]
    convolutions = [s.op.path for s in steps if s.op.name == "Conv2d"]
    assert "layer2.0.conv1" in convolutions
    assert "layer2.0.downsample.0" in convolutions
    assert convolutions[-1] == "conv1"
    blocks = [s.op for s in steps if s.op.path == "layer2.0"]
    assert {op.name for op in blocks} == {"ReLU", "Add"}
    assert all(op.line[0].endswith("blocks.py") for op in blocks)


def test_the_path_is_left_even_after_an_error():
    net = nn.Sequential(nn.Sequential(nn.Conv2d(3, 3, 3)))
    with pytest.raises(ShapeError):
        net(np.ones((1, 2, 4, 4), np.float32))
    assert (leaf([1]) * 2).op.path == ""


def test_a_memory_map_is_an_array(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((1, 1, 4, 4), np.float32))
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert F.conv2d(x, Tensor(np.ones((1, 1, 3, 3), np.float32))).numpy().max() == 9


NO_NUMBERS = {
    "text": "1",
    "bytes": b"1",
    "list of text": ["1", "2"],
    "array of text": np.array(["1", "2"]),
    "None in a list": [None, 1],
    "complex": 1j,
    "complex array": np.ones(2, np.complex64),
    "date": np.datetime64("2020"),
    "object": object(),
    "array of objects": np.array([1, 2], object),
}


@pytest.mark.parametrize("what", ["abc", None, [None], *NO_NUMBERS.values()])
def test_a_tensor_holds_numbers(what):
    with pytest.raises(DTypeError, match="a tensor holds numbers, real ones"):
        Tensor(what)
    with pytest.raises(DTypeError, match="a tensor holds numbers, real ones"):
        Tensor(what, dtype=np.float32)


@pytest.mark.parametrize("what", NO_NUMBERS.values(), ids=NO_NUMBERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_no_real_number_does_not_become_one_beside_a_tensor(what, dtype):
    x = leaf([1, 2], dtype)
    for function in (x.__add__, x.__rmul__, x.__truediv__, x.backward):
        with pytest.raises(DTypeError, match="a tensor holds numbers, real ones"):
            function(what)


def test_lists_of_two_lengths_are_no_array():
    for function in (Tensor, leaf([1]).__add__):
        with pytest.raises(ShapeError, match="two lengths"):
            function([[1], [1, 2]])


@pytest.mark.parametrize("function", [Tensor, lambda a: leaf([1, 2]) + a, lambda a: F.relu(a)])
def test_a_masked_array_is_not_taken_without_its_mask(function):
    with pytest.raises(DTypeError, match="masked array"):
        function(np.ma.masked_array([1.0, 2.0], [False, True]))


def as_matrix(rows):
    return np.array(rows).view(np.matrix)  # whose constructor warns


def test_a_matrix_is_an_array():
    """np.matrix has products where an array multiplies its elements."""
    x = Tensor(as_matrix([[1.0, 2.0], [3.0, 4.0]]), requires_grad=True)
    (x * x).sum().backward()
    assert type(x.data) is np.ndarray
    np.testing.assert_array_equal(x.grad, 2 * x.data)
    assert (x * as_matrix([[1.0, 2.0]])).data.tolist() == [[1, 4], [3, 8]]


@pytest.mark.parametrize("number", [10**30, 2**64, Fraction(1, 2)])
def test_python_s_other_numbers(number):
    assert (leaf([1, 2]) * number).data.tolist() == [float(number), 2 * float(number)]
    assert Tensor(number).data.tolist() == np.float32(number).tolist()


@needs_torch
def test_a_tensor_of_pytorch_with_a_gradient_raises_and_says_what_to_do():
    of_torch = torch.ones(2, requires_grad=True)
    x, layer = Tensor(np.ones(2)), nn.Linear(2, 1, bias=False)
    for call, error in (
        (lambda: Tensor(of_torch), DTypeError),
        (lambda: x + of_torch, DTypeError),
        (lambda: layer.load_state_dict({"weight": of_torch}), StateDictError),
    ):
        with pytest.raises(error, match=r"detach\(\)"):
            call()
    with pytest.raises(DTypeError, match=r"a key got Tensor of torch\.float32"):
        x[of_torch]


@needs_torch
def test_pytorch_s_float64_stays_float64():
    assert Tensor(torch.ones(2, dtype=torch.float64)).dtype == np.float64
    assert Tensor(torch.ones(2)).dtype == np.float32


@pytest.mark.parametrize("dtype", [np.int64, np.float16, bool])
def test_a_type_without_gradients_gets_none_by_another_way(dtype):
    x = Tensor(np.ones(2, dtype))
    x.requires_grad = True
    y = leaf([1, 2])
    y.data = np.ones(2, dtype)
    for tensor in (x, y):
        with pytest.raises(DTypeError, match=f"have gradients, got {np.dtype(dtype)}"):
            tensor.reshape(2, 1)
