"""Arrays that minires changes in place between forward and backward: never a wrong gradient."""

import gc

import numpy as np
import pytest
from oracles import cotangent

from minires import Tensor, checkpoint, nn
from minires import functional as F
from minires.backend import moment, writes_since
from minires.errors import DTypeError, GraphError, UsageError
from minires.inspect.gradchecks import cases
from minires.nn import Parameter
from minires.optim import SGD


def parameter(values=(1, 2)):
    return Parameter(np.array(values, np.float64))


def step_of_sgd(*parameters):
    sgd = SGD(parameters, lr=0.5)
    before = [p.grad for p in parameters]
    for p in parameters:
        p.grad = np.ones(p.shape, p.dtype)
    sgd.step()
    for p, grad in zip(parameters, before, strict=True):
        p.grad = grad


def loaded(p):
    module = nn.Module()
    module.weight = p
    module.load_state_dict({"weight": np.full(p.shape, 7.0)})


def subtracted(p):
    p.data -= 1


def averaged(p):
    x = np.random.default_rng(0).normal(size=(5, *p.shape))
    F.batch_norm(x, p, None, np.ones(p.shape), np.zeros(p.shape), training=True)


WRITERS = {
    "SGD.step": step_of_sgd,
    "load_state_dict": loaded,
    "an assignment to .data": subtracted,
    "batch_norm in training": averaged,
}

each_writer = pytest.mark.parametrize("writer", WRITERS)


@pytest.mark.parametrize("writer", [w for w in WRITERS if w != "an assignment to .data"])
def test_what_cannot_be_written_raises_and_nothing_is(writer):
    """As of np.broadcast_to, or a result of a kernel, as the data of a parameter."""
    p = Parameter(np.broadcast_to(1.0, (2,)))
    with pytest.raises(UsageError, match=rf"{writer} writes to .* of shape \(2,\), .*read-only"):
        WRITERS[writer](p)
    module = nn.Module()
    module.a, module.b = parameter(), p
    with pytest.raises(UsageError, match="load_state_dict writes to b of shape"):
        module.load_state_dict({"a": [5, 6], "b": [5, 6]})
    assert module.a.data.tolist() == [1, 2]


# --- what was saved and is written raises -------------------------------------------------


@each_writer
def test_backward_raises_and_says_what_changed_what(writer):
    p, x = parameter(), parameter()
    p.name = "scale"
    y = (x * p).sum()
    WRITERS[writer](p)
    name = "running_mean" if writer.startswith("batch_norm") else "scale|weight"
    said = rf"Mul \(.*test_in_place.py:\d+\) saved ({name}) of shape \(2,\).*{writer} has changed"
    with pytest.raises(GraphError, match=said):
        y.backward()
    assert x.grad is None


@each_writer
@pytest.mark.parametrize(
    "use",
    [
        lambda p: p.detach(),
        lambda p: p.data,
        lambda p: Tensor(p),
        lambda p: Tensor(p.numpy()),
        lambda p: p.data[::-1],
        lambda p: p.reshape(1, 2),
        lambda p: p[::-1],
        lambda p: p.reshape(2, 1).permute(1, 0)[0],
        lambda p: p.to(np.float64),
    ],
)
def test_whatever_shares_the_memory_that_was_written(use, writer):
    p, x = parameter(), parameter()
    y = (x * use(p)).sum()
    WRITERS[writer](p)
    with pytest.raises(GraphError, match=writer):
        y.backward()


@pytest.mark.parametrize("case", cases(), ids=lambda c: f"{c.op.__name__}-{c.label}")
def test_every_operation_raises_or_has_the_gradient_of_what_it_was_given(case):
    def gradients(change):
        inputs = [Tensor(x.data.copy(), requires_grad=x.requires_grad) for x in case.inputs]
        trained = [x for x in inputs if x.requires_grad]
        y = case.function(*inputs)
        change(*trained)
        y.backward(cotangent(y))
        return [x.grad for x in trained]

    try:
        got = gradients(step_of_sgd)
    except GraphError as error:
        assert "SGD.step has changed" in str(error)  # noqa: PT017 - or the gradient is right
    else:
        for a, b in zip(got, gradients(lambda *_: None), strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_write_while_the_walk_is_under_way():
    p, q = parameter(), parameter()
    y = ((p * q).exp() * 2.0).sum()
    steps = y.backward_steps()
    while next(steps).op.name != "Exp":
        pass
    step_of_sgd(q)
    with pytest.raises(GraphError, match=r"Mul .*SGD.step"):
        next(steps)


def test_a_second_backward_after_a_step():
    net = nn.Linear(2, 1)
    sgd = SGD(net.parameters(), 0.1)
    loss = net(Tensor(np.ones((3, 2), np.float32), requires_grad=True)).sum()
    loss.backward(retain_graph=True)
    loss.backward(retain_graph=True)
    sgd.step()
    with pytest.raises(GraphError, match=r"Linear .*saved weight of shape .*SGD.step"):
        loss.backward()


# --- what does not matter does not raise --------------------------------------------------


@pytest.mark.parametrize(
    ("function", "right"),
    [
        (lambda p: p + p, 2),
        (lambda p: p - 3.0, 1),
        (lambda p: -p, -1),
        (lambda p: p.sum(), 1),
        (lambda p: p.mean(), 0.5),
        (lambda p: p[[0, 0, 1]], [2, 1]),
        (lambda p: p.exp(), np.exp([1, 2])),
        (lambda p: p.relu(), 1),
    ],
)
@each_writer
def test_a_write_to_what_was_not_saved(function, right, writer):
    p = parameter()
    y = function(p).sum()
    WRITERS[writer](p)
    y.backward()
    np.testing.assert_allclose(p.grad, np.broadcast_to(right, 2))


def test_other_data_leave_those_of_forward_alone():
    p = parameter()
    y = (p * p).sum()
    p.data = p.data - 1
    y.backward()
    assert p.grad.tolist() == [2, 4]


def test_to_where_it_is_changes_nothing():
    net = nn.Linear(2, 1)
    x = Tensor(np.ones((3, 2), np.float32), requires_grad=True)
    y, array = net(x).sum(), net.weight.data
    net.to("numpy")
    assert net.weight.data is array
    net.to(np.float32)
    y.backward()
    np.testing.assert_array_equal(x.grad, np.broadcast_to(net.weight.data, (3, 2)))


def test_other_memory_of_the_same_parameters_address():
    """Memory that is gone takes what is known of it along."""
    start = moment()
    for _ in range(50):
        p = parameter(np.ones(1000))
        y = (p * p).sum()
        y.backward()
        step_of_sgd(p)
    assert len(writes_since(start)) >= 1
    del p, y
    gc.collect()
    assert writes_since(start) == []


@pytest.mark.parametrize("every", [None, 1])
def test_a_training_loop_continues(every):
    """Gradients of several batches, running statistics in between, the step after backward."""
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.GlobalAvgPool2d(), nn.Linear(2, 2)
    )
    net.checkpoint_every = every
    sgd = SGD(net.parameters(), 0.1, 0.9)
    rng = np.random.default_rng(0)
    for _ in range(3):
        sgd.zero_grad()
        x = rng.normal(size=(2, 4, 1, 5, 5)).astype(np.float32)
        losses = [F.cross_entropy(net(part), [0, 1, 0, 1]) for part in x]
        losses[0].backward()
        losses[1].backward()
        sgd.step()
        net.eval()
        F.cross_entropy(net(x[0]), [0, 1, 0, 1]).backward()
        net.train()


# --- data that were replaced --------------------------------------------------------------


@pytest.mark.parametrize("data", [np.ones(3), np.ones(2, np.float32)])
def test_a_leaf_of_another_kind_raises_when_its_gradient_comes(data):
    p = parameter()
    y = (p * 2.0).sum()
    p.data = data
    with pytest.raises(GraphError, match=r"took a leaf of shape \(2,\), float64 .*now is of shape"):
        y.backward()
    assert p.grad is None


def test_a_model_that_is_converted_between_forward_and_backward():
    net = nn.Linear(2, 1)
    y = net(np.ones((3, 2), np.float32)).sum()
    net.to(np.float64)
    with pytest.raises(GraphError, match=r"weight|bias"):
        y.backward()


@pytest.mark.parametrize("data", [[1, 2], 3.0, None, "1", np.ma.masked_array([1.0, 2], [0, 1])])
def test_data_are_an_array(data):
    p = parameter()
    with pytest.raises(DTypeError, match="array"):
        p.data = data
    assert p.data.tolist() == [1, 2]


def test_a_number_of_numpys_is_good_data():
    p = parameter(1.0)
    p.data = p.data - 1.0  # NumPy makes it a scalar
    assert isinstance(p.data, np.ndarray)


# --- activation checkpointing -------------------------------------------------------------


def segment(p, x):
    return checkpoint(lambda x: x * p, x).sum()


@each_writer
def test_a_segment_reads_its_parameters_again(writer):
    p, x = parameter(), parameter()
    y = segment(p, x)
    WRITERS[writer](p)
    with pytest.raises(GraphError, match=rf"Segment .*computed again.*{writer}"):
        y.backward()
    assert p.grad is x.grad is None


@each_writer
def test_a_segment_keeps_its_inputs(writer):
    p, x = parameter(), parameter()
    y = segment(p, x)
    WRITERS[writer](x)
    with pytest.raises(GraphError, match=rf"Segment .*saved .*{writer}"):
        y.backward()


def test_other_data_do_matter_to_a_segment():
    p, x = parameter(), parameter()
    y = segment(p, x)
    p.data = p.data - 1
    with pytest.raises(GraphError, match=r"an assignment to .data has changed a tensor of shape"):
        y.backward()
