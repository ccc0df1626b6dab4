"""tutorials/simple_engine.py computes what the real engine computes, bit for bit."""

import ast
import copy
import sys
from pathlib import Path

import numpy as np
import pytest
from oracles import cotangent

import minires
from minires import Op, ops
from minires import functional as F
from minires.autograd.apply import apply
from minires.errors import ShapeError
from minires.inspect.gradchecks import cases

FILE = Path(__file__).parent.parent / "tutorials" / "simple_engine.py"
sys.path.append(str(FILE.parent))

import simple_engine  # noqa: E402 - it lies beside the tutorials

rng = np.random.default_rng(0)


def leaves(*arrays):
    """The arrays as tensors of both engines: [real ones], [simple ones]."""
    real = [minires.Tensor(a, requires_grad=True) for a in arrays]
    return real, [simple_engine.Tensor(a) for a in arrays]


def assert_equal(simple, real):
    """The same values and gradients, bit for bit."""
    np.testing.assert_array_equal(simple.data, real.data)
    np.testing.assert_array_equal(simple.grad, real.grad)


class Both:
    """Takes the place of the real engine: applies each operation with the simple one as well.

    `simple` maps each real tensor to the simple one.
    """

    def __init__(self):
        self.simple = {}

    def __call__(self, op, *inputs):
        fresh = copy.copy(op)  # before the real engine has set anything
        y = apply(op, *inputs)
        self.simple[y] = simple_engine.apply(fresh, *map(self.counterpart, inputs))
        if y.requires_grad:
            y.retain_grad()
        return y

    def counterpart(self, x):
        if isinstance(x, minires.Tensor):
            return self.simple.setdefault(x, simple_engine.Tensor(x.data))
        return x

    def backward(self, y):
        gy = cotangent(y)
        y.backward(gy)
        self.simple[y].backward(gy)


@pytest.fixture
def both(monkeypatch):
    engine = Both()
    monkeypatch.setattr(Op, "engine", engine)
    with minires.textbook():
        yield engine


# --- the whole file -----------------------------------------------------------------------


def test_it_is_short_and_uses_only_numpy_and_the_reference_operations():
    source = FILE.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 130
    imported = {
        (getattr(node, "module", None), alias.name)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported == {(None, "itertools"), (None, "numpy"), ("minires", "ops")}


# --- every operation ----------------------------------------------------------------------


@pytest.mark.parametrize("case", cases(), ids=lambda c: f"{c.op.__name__}-{c.label}")
def test_every_operation_gives_the_same_output_and_gradients(both, case):
    xs = [minires.Tensor(x.data, requires_grad=x.requires_grad) for x in case.inputs]
    both.backward(case.function(*xs))
    assert case.op in {type(simple.op) for simple in both.simple.values()}
    recorded = [t for t in both.simple if t.requires_grad]
    assert {x for x in xs if x.requires_grad} < set(recorded)
    for real in recorded:
        assert_equal(both.simple[real], real)


# --- operators ----------------------------------------------------------------------------

M = rng.uniform(0.5, 2, (3, 3))
EXPRESSIONS = {
    "a + b": lambda a, b: a + b,
    "array + a": lambda a, b: M + a,
    "a - b": lambda a, b: a - b,
    "array - a": lambda a, b: M - a,
    "a * b": lambda a, b: a * b,
    "3 * a": lambda a, b: 3 * a,
    "a / b": lambda a, b: a / b,
    "2 / a": lambda a, b: 2 / a,
    "a @ b": lambda a, b: a @ b,
    "array @ a": lambda a, b: M @ a,
    "-a": lambda a, b: -a,
    "a**3": lambda a, b: a**3,
    "a[1:, [0, 2, 0]]": lambda a, b: a[1:, [0, 2, 0]],
    "exp": lambda a, b: a.exp(),
    "log": lambda a, b: a.log(),
    "relu": lambda a, b: (a - 1).relu(),
    "sum": lambda a, b: a.sum(),
    "sum, rows": lambda a, b: a.sum(1),
    "sum, columns, kept": lambda a, b: a.sum(0, keepdim=True),
    "mean": lambda a, b: a.mean(),
    "mean, columns, kept": lambda a, b: a.mean(0, keepdim=True),
    "max": lambda a, b: a.max(),
    "max, columns, kept": lambda a, b: a.max((0,), keepdim=True),
    "reshape": lambda a, b: a.reshape(9, -1),
    "permute": lambda a, b: a.permute(1, 0),
}


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_an_operator_means_the_same(expression):
    arrays = rng.uniform(0.5, 2, (2, 3, 3))
    real, simple = leaves(*arrays)
    with minires.textbook():
        y = expression(*real)
    y_simple = expression(*simple)
    gy = cotangent(y)
    y.backward(gy)
    y_simple.backward(gy)
    np.testing.assert_array_equal(y_simple.data, y.data)
    for x_simple, x in zip(simple, real, strict=True):
        np.testing.assert_array_equal(x_simple.grad, np.zeros((3, 3)) if x.grad is None else x.grad)
    assert np.any(simple[0].grad)


# --- graphs -------------------------------------------------------------------------------


def test_a_tensor_used_on_a_short_and_on_a_long_way_gets_both_gradients_before_it_goes_on():
    x = simple_engine.Tensor([0.5, 2.0])
    y = x.exp()
    longer = ((y * 3.0).relu() - y) * 2.0
    (y + longer).sum().backward()
    np.testing.assert_array_equal(y.grad, [5.0, 5.0])
    np.testing.assert_array_equal(x.grad, 5.0 * np.exp(x.data))


def test_a_chain_of_residual_layers_has_all_its_paths():
    weights = rng.normal(size=50)
    (x, *ws), (x_simple, *ws_simple) = leaves(np.asarray(0.7), *map(np.asarray, weights))
    y, y_simple = x, x_simple
    with minires.textbook():
        for w, w_simple in zip(ws, ws_simple, strict=True):
            y, y_simple = y + w * y, y_simple + w_simple * y_simple
        y.backward()
    y_simple.backward()
    np.testing.assert_allclose(x_simple.grad, np.prod(1 + weights), rtol=1e-13)
    for simple, real in zip([x_simple, *ws_simple], [x, *ws], strict=True):
        assert_equal(simple, real)


def test_gradients_of_several_walks_add_up():
    x = simple_engine.Tensor([1.0, 2.0])
    square = (x * x).sum()
    square.backward()
    square.backward()
    (3 * x).sum().backward()
    np.testing.assert_array_equal(x.grad, 4 * x.data + 3)


def test_both_inputs_of_an_addition_have_a_gradient_of_their_own():
    a, b = simple_engine.Tensor([1.0, 2.0]), simple_engine.Tensor([3.0, 4.0])
    (a + b).sum().backward()
    (a * 2.0).sum().backward()
    np.testing.assert_array_equal(b.grad, [1.0, 1.0])


def test_a_leaf_alone_gets_what_the_walk_starts_with():
    x = simple_engine.Tensor(3.0)
    x.backward()
    assert x.grad == 1.0


def test_no_gradient_is_computed_for_an_input_left_out():
    images, weight = simple_engine.Tensor(np.ones((1, 1, 3, 3))), np.ones((1, 1, 2, 2))
    y = simple_engine.apply(ops.Conv2d(), images, weight, None)
    gx, gw, gb = y.op.backward(y.data)
    assert (gx.shape, gw.shape, gb) == ((1, 1, 3, 3), (1, 1, 2, 2), None)


def test_what_does_not_fit_is_an_error():
    a = simple_engine.Tensor(np.ones((2, 3)))
    with pytest.raises(ShapeError, match=r"matmul got shapes \(2, 3\) and \(2, 3\)"):
        a @ a
    with pytest.raises(ValueError, match="reshape"):
        a.backward()  # 1 is the gradient of a single number only


def test_a_tensor_shows_its_data_and_its_gradient():
    assert repr(simple_engine.Tensor([1.0, 2.0])) == "Tensor([1. 2.], grad=[0. 0.])"


# --- a residual net -----------------------------------------------------------------------


def residual_loss(apply, images, labels, stem, conv1, w1, b1, conv2, w2, b2, fc, bias):
    """One residual block between a convolution and a classifier; `apply` is either engine's."""
    x = apply(ops.MaxPool2d(2), apply(ops.Conv2d(padding=1), images, stem, None))
    y = apply(ops.BatchNorm(), apply(ops.Conv2d(padding=1), x, conv1, None), w1, b1).relu()
    y = apply(ops.BatchNorm(), apply(ops.Conv2d(padding=1), y, conv2, None), w2, b2)
    y = (y + x).relu()
    logits = apply(ops.Linear(), apply(ops.GlobalAvgPool2d(), y), fc, bias)
    return apply(ops.CrossEntropy(labels), logits)


def test_a_residual_net_has_the_same_loss_and_gradients():
    C, classes, labels = 4, 3, np.array([0, 2, 1, 1, 0])
    shapes = [(5, 2, 8, 8), (C, 2, 3, 3)]  # the images and the first convolution
    shapes += 2 * [(C, C, 3, 3), (C,), (C,)]
    shapes += [(classes, C), (classes,)]
    (images, *real), (images_simple, *simple) = leaves(*(rng.normal(size=s) for s in shapes))
    with minires.textbook():
        loss = residual_loss(apply, images, labels, *real)
        loss.retain_grad()
        loss.backward()
    loss_simple = residual_loss(simple_engine.apply, images_simple, labels, *simple)
    loss_simple.backward()
    for x_simple, x in zip(
        [loss_simple, images_simple, *simple], [loss, images, *real], strict=True
    ):
        assert_equal(x_simple, x)
        assert np.any(x.grad)


def test_resnet_8_has_the_same_gradients_at_every_operation(both):
    model = minires.models.cifar_resnet(8, in_channels=1).to(dtype=np.float64)
    images = minires.Tensor(rng.normal(size=(2, 1, 8, 8)))
    both.backward(F.cross_entropy(model(images), np.array([3, 7])))
    recorded = [t for t in both.simple if t.requires_grad]
    assert set(model.parameters()) < set(recorded)
    for real in recorded:
        assert_equal(both.simple[real], real)
