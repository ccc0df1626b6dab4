"""A training step that is captured as a CUDA graph and replayed: the same history, bit for bit."""

import gc
import weakref
from contextlib import ExitStack

import numpy as np
import pytest
from cuda_capture import CUDARuntimeError, capturing, counting
from cuda_emulator import DEVICES, device
from cuda_streams import RaceError
from noise_training import trainer

from minires import functional as F
from minires.errors import GraphError, LabelError, NonFiniteError
from minires.kernels.cuda import beside
from minires.kernels.cuda.beside import SecondStream
from minires.kernels.replayed import Replayed
from minires.nn import Parameter
from minires.optim import SGD, Adam
from minires.train import training_state


@pytest.fixture
def cupy():
    with device("emulated") as module:
        yield module


@pytest.fixture
def graphs(cupy):
    with capturing(cupy) as captured:
        yield captured


@pytest.fixture(params=DEVICES)
def somewhere(request):
    """A device that captures."""
    with ExitStack() as stack:
        cupy = stack.enter_context(device(request.param))
        if request.param == "emulated":
            stack.enter_context(capturing(cupy))
        yield cupy


@pytest.mark.parametrize("checkpoint_every", [None, 2])
def test_a_replayed_training_is_the_launched_one(somewhere, checkpoint_every):
    launched = trainer(graph=False)
    replayed = trainer(graph=True, checkpoint_every=checkpoint_every)
    for t in (launched, replayed):
        list(t.run())
    for a, b in zip(launched.rows, replayed.rows, strict=True):
        assert {**vars(a), "seconds": 0} == {**vars(b), "seconds": 0}
    (expected, _), (weights, _) = training_state(launched), training_state(replayed)
    for name, array in expected.items():
        np.testing.assert_array_equal(weights[name], array, err_msg=name)
    assert not replayed.replayed.failure
    assert replayed.optimiser.lr == pytest.approx(0.05 / 100)


def test_a_training_on_the_device_is_that_of_the_cpu(somewhere):
    on_cpu, on_device = trainer(graph=False, backend="numpy"), trainer(graph=True)
    assert isinstance(on_device.dataset.train_images, somewhere.ndarray)
    for t in (on_cpu, on_device):
        list(t.run())
    for a, b in zip(on_cpu.rows, on_device.rows, strict=True):
        assert b.train_loss == pytest.approx(a.train_loss, rel=1e-4)
        assert (b.train_error, b.test_error, b.lr) == (a.train_error, a.test_error, a.lr)


def test_without_memory_to_record_in_the_ordinary_call_has_that_of_the_pool(
    cupy, graphs, monkeypatch
):
    pools, alive = [], []

    class Pool:
        malloc = None

        def __init__(self):
            pools.append(weakref.ref(self))

    def function(x):
        alive.append(pools[0]() is not None)
        if len(alive) == 1:
            raise MemoryError
        return (x,)

    monkeypatch.setattr(cupy.cuda, "MemoryPool", Pool)
    with pytest.warns(RuntimeWarning, match="cannot be recorded .MemoryError"):
        Replayed(function)(cupy.zeros(2))
    assert alive == [True, False]


def test_all_steps_but_the_first_of_a_batch_size_are_one_launch(graphs):
    list(trainer(graph=True).run())
    assert [graph.launches for graph in graphs] == [5, 2]


def test_the_nodes_of_a_graph_are_counted(graphs, cupy):
    def work(x, w):
        y = cupy.empty_like(x).reshape(3, 2)[1:]  # no work
        y[...] = w[1:]
        return (F.linear(-x, w.T.copy()).data,)

    Replayed(work).capture(cupy.ones((2, 3), "float32"), cupy.ones((3, 2), "float32"))
    names = {"__setitem__": 1, "__neg__": 1, "copy": 1, "ascontiguousarray": 1, "correlate": 1}
    assert graphs[0].nodes() == names


def test_a_loss_that_is_not_finite_ends_a_replayed_training_too(somewhere):
    with pytest.raises(NonFiniteError, match="it came from a CUDA graph; without"):
        list(trainer(graph=True, lr=1e30).run())


def test_a_label_that_is_no_class_is_named_in_a_replayed_training_too(somewhere):
    t = trainer(graph=True)
    x, labels = somewhere.zeros((6, 1, 8, 8), "float32"), somewhere.zeros(6, "int64")
    for _ in range(3):
        t.step(x, labels)
    labels[2] = 3
    with pytest.raises(LabelError, match="cross_entropy got labels from 0 to 3; expected 0 to 2"):
        t.step(x, labels)


@pytest.mark.gpu
@pytest.mark.parametrize("graph", [False, True])
def test_a_thousand_steps_take_no_more_memory_than_ten(graph):
    with device("gpu") as cupy:
        gc.collect()  # what an earlier trainer held would be freed in between
        t = trainer(graph)
        x = cupy.zeros((6, 1, 8, 8), "float32")
        labels = cupy.zeros(6, "int64")
        used = []
        for number in range(1000):
            t.step(x, labels)
            if number in (9, 999):
                free, total = cupy.cuda.runtime.memGetInfo()
                used.append(total - free)
        assert used[1] <= used[0]


def test_what_cannot_be_captured_is_launched_and_said(graphs, cupy, monkeypatch):
    launched = trainer(graph=False)
    list(launched.run())
    waiting = trainer(graph=True)
    monkeypatch.setattr(waiting.replayed, "function", lambda *a: looking(waiting._learn(*a)))
    with pytest.warns(RuntimeWarning, match="the step cannot be recorded .CUDARuntimeErr"):
        list(waiting.run())
    assert [row.train_loss for row in waiting.rows] == [row.train_loss for row in launched.rows]
    assert sum(graph.launches for graph in graphs) == 0


def looking(results):
    results[0].item()
    return results


def test_a_fake_capture_raises_for_what_cuda_raises(graphs, cupy):
    x = cupy.ones((2, 2), "float32")
    for function in (lambda: x @ x, lambda: bool(x[0, 0]), lambda: cupy.asarray(np.ones(3))):
        stream = cupy.cuda.Stream(non_blocking=True)
        stream.begin_capture()
        with pytest.raises(CUDARuntimeError):
            function()
        stream.end_capture()


def test_a_fake_capture_raises_for_a_launch_on_another_stream(graphs, cupy):
    x, stream = cupy.ones(2, "float32"), cupy.cuda.Stream(non_blocking=True)
    stream.begin_capture()
    with pytest.raises(CUDARuntimeError, match="__add__ is launched on another stream"):
        x + x
    with stream:
        assert cupy.cuda.get_current_stream().is_capturing()
        x + x
    assert not cupy.cuda.get_current_stream().is_capturing()
    assert stream.end_capture().nodes() == {"__add__": 1}


def captured_on_two_streams(cupy, work):
    """Capture work(x, first, second), with events that either stream records of itself."""
    first, second = (cupy.cuda.Stream(non_blocking=True) for _ in range(2))

    def after(one, other):
        event = cupy.cuda.Event(disable_timing=True)
        event.record(other)
        one.wait_event(event)

    x = cupy.ones(3, "float32")
    with first:
        first.begin_capture()
        kept = work(x, first, second, after)
        graph = first.end_capture()
    del kept
    return graph


def test_a_fake_capture_takes_what_events_put_in_order(graphs, cupy):
    def work(x, first, second, after):
        y = x + 1
        after(second, first)
        with second:
            z = y * 2
        after(first, second)
        y += z
        return z

    assert captured_on_two_streams(cupy, work).nodes(first=False) == {"__mul__": 1}


def reads_too_early(x, first, second, after):
    after(second, first)
    y = x + 1
    with second:
        y * 2


def writes_too_early(x, first, second, after):
    after(second, first)
    with second:
        x * 2
    x += 1


def lets_go_too_early(x, first, second, after):
    y = x + 1
    after(second, first)
    with second:
        y * 2
    del y
    after(first, second)


def never_joins(x, first, second, after):
    after(second, first)
    with second:
        x * 2


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (reads_too_early, "__mul__ does not wait for __add__ on another stream"),
        (writes_too_early, "__iadd__ does not wait for __mul__ on another stream"),
        (lets_go_too_early, "memory that __mul__ uses on another stream was let go of"),
        (never_joins, "cudaErrorStreamCaptureUnjoined"),
    ],
)
def test_a_fake_capture_raises_for_a_race_between_streams(graphs, cupy, work, said):
    with pytest.raises((RaceError, CUDARuntimeError), match=said):
        captured_on_two_streams(cupy, work)


def capture_a_step(cupy):
    numbers = cupy.zeros((6, 1, 8, 8), "float32"), cupy.zeros(6, "int64"), cupy.zeros((), "float32")
    trainer(graph=True).replayed.capture(*numbers)


def test_the_gradients_of_weights_are_computed_on_a_second_stream():
    with counting() as (cupy, graphs):
        capture_a_step(cupy)
    own, beside = graphs[0].nodes(first=True), graphs[0].nodes(first=False)
    assert beside == {"weight_gradient": 9, "add_parts": 9}
    assert not {*own} & {*beside}
    assert own["update"] == 1


def test_few_arrays_are_held_for_the_second_stream(monkeypatch):
    held, begin = [], SecondStream.begin

    def counted(self, work, *arrays):
        number = begin(self, work, *arrays)
        held.append(len(self._held))
        return number

    monkeypatch.setattr(SecondStream, "begin", counted)
    with counting() as (cupy, _):
        capture_a_step(cupy)
    assert max(held) == 4


def test_garbage_is_collected_before_a_capture(graphs, cupy):
    """In one, memory of other streams must not be let go of."""
    garbage = [cupy.ones(3, "float32")]
    garbage.append(garbage)
    seen = weakref.ref(garbage[0])
    del garbage
    x = cupy.ones(2, "float32")
    alive = []
    Replayed(lambda x: (alive.append(seen() is not None), x)[1:]).capture(x)
    assert alive == [False]


def test_what_comes_after_backward_waits_for_the_second_stream(graphs, cupy):
    """A weight's other gradients, and a write to what its gradient is made from."""
    w = Parameter(cupy.asarray(np.random.default_rng(0).normal(size=(2, 2, 3, 3)), "float32"))

    def learn(x):
        w.grad = None
        y = F.conv2d(F.conv2d(x, w, padding=1), w, padding=1)
        ((y * y).sum() + (w * w).sum()).backward()
        x += 1
        return (w.grad,)

    def image():
        return cupy.ones((1, 2, 4, 3), "float32")

    expected, step = learn(image())[0].get(), Replayed(learn)
    for _ in range(3):
        np.testing.assert_array_equal(step(image())[0].get(), expected)
    assert [graph.launches for graph in graphs] == [2]


def waits_for_nothing(patch):
    patch.setattr(SecondStream, "wait", lambda *_: None)


def holds_nothing(patch):
    begin = SecondStream.begin

    def forgetting(self, work, *arrays):
        number = begin(self, work, *arrays)
        self._held[number] = self._held[number][0], ()
        return number

    patch.setattr(SecondStream, "begin", forgetting)


def begins_too_early(patch):
    """It waits for the event of the first piece of work again."""
    recorded, events = beside._recorded, []

    def first_of(stream):
        own = stream is not beside.load("cupy").cuda.get_current_stream()
        event = recorded(stream)
        if own or not stream.is_capturing():
            return event
        events.append(event)
        return events[0]

    patch.setattr(beside, "_recorded", first_of)


@pytest.mark.parametrize("wrong", [waits_for_nothing, holds_nothing, begins_too_early])
def test_a_second_stream_that_goes_wrong_is_seen(monkeypatch, wrong):
    wrong(monkeypatch)
    with counting() as (cupy, _), pytest.raises(RaceError, match="on another stream"):
        capture_a_step(cupy)


def test_a_fake_graph_uses_memory_that_it_does_not_keep(graphs, cupy):
    x, y, stream = cupy.ones(2, "float32"), cupy.zeros(2, "float32"), cupy.cuda.Stream(False, True)
    with stream:
        stream.begin_capture()
        y[...] = x[:] + 1
        stream.end_capture()
    graphs[0].launch()
    assert y.get().tolist() == [2, 2]
    del x
    with pytest.raises(AssertionError, match="memory that was freed"):
        graphs[0].launch()


def test_arguments_are_copied_and_results_stay_where_they_are(graphs, cupy):
    double = Replayed(lambda x: (2 * x,))
    x = cupy.ones(3, "float32")
    assert double(x)[0].get().tolist() == [2, 2, 2]
    (result,) = double(3 * x)
    assert result.get().tolist() == [6, 6, 6]
    assert double(5 * x)[0] is result
    assert result.get().tolist() == [10, 10, 10]
    assert double(cupy.ones(2, "float32"))[0].get().tolist() == [2, 2]  # another shape, launched
    assert len(graphs) == 1


def test_what_a_replayed_graph_writes_is_noted_each_time(graphs, cupy):
    p = Parameter(cupy.ones(3, "float32"))
    sgd = SGD([p], 0.5)

    def learn(x):
        sgd.zero_grad()
        (p * x).sum().backward()
        sgd.step()
        return (p.data,)

    step, x = Replayed(learn), cupy.ones(3, "float32")
    for _ in range(4):
        y = (p * p).sum()
        step(x)
        with pytest.raises(GraphError, match=r"SGD.step has changed it in place"):
            y.backward()
    assert [graph.launches for graph in graphs] == [3]


def test_adam_is_not_captured_for_its_step_number_would_be_repeated(cupy, graphs):
    """The calls are ordinary ones, and end where Adam ends that no graph was asked for."""

    def steps(call):
        w = Parameter(np.ones(3, np.float32)).to("cupy")
        optimiser = Adam([w], lr=0.1)

        def step(gradient):
            w.grad = gradient
            optimiser.step()
            return (w.data,)

        run = call(step)
        for factor in (1.0, -2.0, 3.0, 0.5):
            run(cupy.full(3, factor, np.float32))
        return w.data.get(), optimiser.steps

    alone = steps(lambda step: step)
    with pytest.warns(RuntimeWarning, match="Adam cannot be recorded, for a replay would"):
        replayed = steps(Replayed)
    np.testing.assert_array_equal(replayed[0], alone[0])
    assert replayed[1] == alone[1] == [4]
