"""Calls of NumPy that are recorded and made again: the same numbers, bit for bit."""

import pickle
from contextlib import nullcontext

import numpy as np
import pytest
from noise_training import trainer
from oracles import cotangent

from minires import Tensor, get_num_threads, set_num_threads
from minires.backend import Arena, Recorder, guarded, recorded, recorder
from minires.backend.recording.arena import Free
from minires.errors import GraphError, LabelError, NonFiniteError
from minires.inspect.gradchecks import cases
from minires.kernels.cpu.tuning import changed
from minires.kernels.replayed import Replayed
from minires.nn import Parameter
from minires.optim import SGD
from minires.train import training_state

each_case = pytest.mark.parametrize("case", cases(), ids=lambda c: f"{c.op.__name__}-{c.label}")


@each_case
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_operation_is_replayed(case, dtype):
    def work(*arrays):
        xs = [Tensor(a, requires_grad=True) for a in arrays]
        y = case.function(*xs)
        y.backward(cotangent(y))
        return (y.data, *(x.grad for x in xs))

    given = [x.data.astype(dtype) for x in case.inputs]
    replayed = Replayed(work)
    looks = case.label in ("one rank", "classes weighted, label smoothing 0.1")
    said = pytest.warns(RuntimeWarning, match="looks at a number") if looks else nullcontext()
    with said:
        for factor in (1, 0.5, 0.75, 1.25):
            arrays = [np.asarray(dtype(factor) * a) for a in given]
            expected = [y.copy() for y in work(*arrays)]
            for y, of_function in zip(replayed(*arrays), expected, strict=True):
                np.testing.assert_array_equal(y, of_function)
    assert looks == bool(replayed.failure)


@pytest.mark.parametrize("checkpoint_every", [None, 2])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_replayed_training_is_the_ordinary_one(checkpoint_every, threads):
    before = get_num_threads()
    set_num_threads(threads)
    try:
        with changed(shared_elements=0, shared_products=0):
            ordinary = trainer(False, backend="numpy", checkpoint_every=checkpoint_every)
            replayed = trainer(True, backend="numpy", checkpoint_every=checkpoint_every)
            for t in (ordinary, replayed):
                list(t.run())
    finally:
        set_num_threads(before)
    for a, b in zip(ordinary.rows, replayed.rows, strict=True):
        assert {**vars(a), "seconds": 0} == {**vars(b), "seconds": 0}
    (expected, _), (weights, _) = training_state(ordinary), training_state(replayed)
    for name, array in expected.items():
        np.testing.assert_array_equal(weights[name], array, err_msg=name)
    assert not replayed.replayed.failure


def counted(function):
    """The function, with the number of its own calls as an attribute."""

    def work(*arrays):
        work.calls += 1
        return function(*arrays)

    work.calls = 0
    return work


def test_nearly_all_steps_are_replayed():
    """Of each batch size two are recorded, and one is compared when the learning rate changes."""
    t = trainer(True, backend="numpy")
    t.replayed.function = counted(t._learn)
    list(t.run())
    assert t.replayed.function.calls == 5


def test_it_is_recorded_twice_then_its_python_runs_no_more():
    work = counted(lambda x: (2 * x,))
    double = Replayed(work)
    for n in range(5):
        (y,) = double(np.full(3, n, np.float32))
        assert y.tolist() == [2 * n] * 3
    assert work.calls == 2
    assert double(np.ones(3, np.float32))[0] is double(np.ones(3, np.float32))[0]
    double(np.ones(4, np.float32))
    double(np.ones(3, np.float64))
    assert work.calls == 4


def state(t):
    weights = {name: tensor.numpy() for name, tensor in t.model.named_tensors()}
    return {**weights, **{str(i): v for i, v in enumerate(t.optimiser.velocities)}}


def assert_same_state(a, b):
    for name, array in a.items():
        np.testing.assert_array_equal(b[name], array, err_msg=name)


def batches(t, n=6):
    """So many whole batches."""
    x, labels = next(iter(t.dataset.training_batches(6, 0, 0)))
    return [(x * np.float32(1 + k / 8), np.roll(labels, k)) for k in range(n)]


@pytest.mark.parametrize("when", [0, 1, 2, 4])
@pytest.mark.parametrize("wrong", ["label", "image"])
def test_a_step_that_goes_wrong_ends_as_the_ordinary_one(when, wrong):
    """A label that is no class, and a loss that is not finite: nothing is written but running
    statistics, and those once."""
    both = trainer(False, backend="numpy"), trainer(True, backend="numpy")
    for t in both:
        for k, (x, labels) in enumerate(batches(t)):
            if k != when:
                t.step(x, labels)
                continue
            bad = labels.copy(), x.copy()
            bad[0][3] = 7
            bad[1][2, 0, 4, 4] = np.nan
            expected = LabelError if wrong == "label" else NonFiniteError
            with pytest.raises(expected), np.errstate(invalid="ignore"):
                t.step(*((x, bad[0]) if wrong == "label" else (bad[1], labels)))
    assert_same_state(state(both[0]), state(both[1]))


def test_random_numbers_are_not_replayed_but_drawn_again():
    rng = np.random.default_rng(0)
    step, x = Replayed(lambda x: (x * rng.random(3),)), np.ones(3)
    step(x)
    with pytest.warns(RuntimeWarning, match="a replay does not give what the function gives"):
        first = step(x)[0].copy()
    assert (first != step(x)[0]).all()


def test_what_looks_at_a_number_is_not_recorded():
    step = Replayed(lambda x: (x if x.sum() > 0 else -x,))
    with pytest.warns(
        RuntimeWarning, match="cannot be recorded .GraphError: the step looks at a n"
    ):
        assert step(-np.ones(3))[0].tolist() == [1, 1, 1]
    assert step(np.ones(3))[0].tolist() == [1, 1, 1]


def test_a_record_that_cannot_be_made_has_changed_nothing():
    total = np.zeros(3)

    def add(x):
        recorded(total)[...] += x
        return (x if x.sum() > 0 else -x,)

    with pytest.warns(RuntimeWarning, match="cannot be recorded"):
        Replayed(add)(np.ones(3))
    assert total.tolist() == [1, 1, 1]


def test_arrays_of_objects_are_not_recorded():
    step = Replayed(lambda x: (x,))
    with pytest.warns(RuntimeWarning, match="a record holds no arrays of Python's objects"):
        assert step(np.array([None, "a"], object))[0].tolist() == [None, "a"]


def test_an_error_of_the_function_is_its_own():
    step = Replayed(lambda x: (x.reshape(7),))
    with pytest.raises(ValueError, match="cannot reshape"):
        step(np.ones(3))
    assert not step.failure


def test_a_decision_that_is_another_one_is_left_to_the_function():
    total = np.zeros(3)

    def add(x):
        recorded(total)[...] += x
        positive = guarded(lambda x: bool((x > 0).all()), x)
        recorded(total)[...] += 10 if positive else 20
        return (recorded(total) * 1,)

    step = Replayed(add)
    sums = [step(np.full(3, x, np.float64))[0][0] for x in (1, 2, 3, -1, 4)]
    assert sums == [11, 23, 36, 55, 69]
    assert not step.failure


def test_gradients_are_those_of_the_last_replay():
    w = Parameter(np.ones(3, np.float32))

    def learn(x):
        w.zero_grad()
        (w * w * x).sum().backward()
        return ()

    step = Replayed(learn)
    for n in range(5):
        step(np.full(3, n, np.float32))
        assert w.grad.tolist() == [2 * n] * 3


def test_what_a_replay_writes_is_noted_each_time():
    p = Parameter(np.ones(3, np.float32))
    sgd = SGD([p], 0.5)

    def learn(x):
        sgd.zero_grad()
        (p * x).sum().backward()
        sgd.step()
        return ()

    step = Replayed(learn)
    for _ in range(4):
        y = (p * p).sum()
        step(np.ones(3, np.float32))
        with pytest.raises(GraphError, match=r"SGD.step has changed it in place"):
            y.backward()


def test_memory_is_used_again_as_soon_as_its_array_is_gone():
    used = set()
    with Recorder(Arena()) as recorder:
        x = recorder.like(np.ones(1000))
        for _ in range(9):
            x = x + x
            used.add(x.ctypes.data)
    assert recorder.lasting(x)[0] == 512
    assert len(used) == 2


def test_no_two_arrays_lie_on_the_same_memory_and_what_is_free_is_joined():
    rng, free, taken = np.random.default_rng(0), Free(), []
    free.give(64, 4160)
    for _ in range(2000):
        size = int(rng.integers(1, 600))
        if (start := free.take(size)) is not None:
            taken.append((start, start + size))
        else:
            assert max((b - a for a, b in free.intervals), default=0) < size
            for _ in range(min(3, len(taken))):
                free.give(*taken.pop(rng.integers(len(taken))))
        every = sorted(taken + free.intervals)
        assert [a for a, _ in every] == [64, *(b for _, b in every[:-1])]  # no gap, no overlap
        assert every[-1][1] == 4160
    while taken:
        free.give(*taken.pop())
    assert free.intervals == [(64, 4160)]


def test_an_array_gets_the_smallest_interval_that_has_room():
    free = Free(Free())
    for start, stop in ((0, 100), (200, 250), (300, 400)):
        free.give(start, stop)
    assert [free.take(n) for n in (40, 20, 60, 100, 1, 100)] == [200, 0, 20, 300, 240, None]
    free.others.give(500, 900)
    assert free.take(100) == 500


def test_shares_that_run_side_by_side_use_no_memory_of_each_other():
    """Neither what one has let go of, nor what was there before and was let go of by one."""
    used = [], []

    def work(number, before):
        seen = used[number]
        if before is not None:
            seen.append(before.ctypes.data)
        for _ in range(4):
            before = recorder.empty((1000,), np.dtype(float))
            seen.append(before.ctypes.data)

    with Recorder(Arena()) as recorder:
        free = [recorder.empty((1000,), np.dtype(float)) for _ in range(3)]
        first, second, _ = free
        del free, _
        held = [second]
        del second
        recorder.in_shares(
            [lambda: work(0, None), lambda: work(1, held.pop())], lambda shares: None
        )
        assert not {*used[0]} & {*used[1]}
        assert first.ctypes.data not in {*used[0], *used[1]}
        after = {recorder.empty((1000,), np.dtype(float)).ctypes.data for _ in range(2)}
    assert after <= {*used[0], *used[1]}


def test_an_array_that_was_recorded_is_like_any_other_afterwards():
    kept = []
    step = Replayed(lambda x: (kept.append(x * 2), x + 1)[1:])
    step(np.ones(3))
    (y,) = kept
    assert float(y.sum()) == 6
    assert type(y + 1) is np.ndarray
    y[0] = 7
    assert y.tolist() == [7, 2, 2]
    assert pickle.loads(pickle.dumps(np.asarray(y))).tolist() == [7, 2, 2]


def test_state_that_the_first_call_makes_is_not_lost():
    """A replay of that call would make it anew."""
    kept = {}

    def add(x):
        total = kept.setdefault("total", x * 0)
        total += x
        return (total * 1,)

    step = Replayed(add)
    assert step(np.ones(3))[0].tolist() == [1, 1, 1]
    with pytest.warns(RuntimeWarning, match="a replay does not give what the function gives"):
        assert step(np.full(3, 2.0))[0].tolist() == [3, 3, 3]
    assert step(np.full(3, 3.0))[0].tolist() == [6, 6, 6]


def test_records_of_two_shapes_share_their_memory():
    used = set()

    def work(x):
        for _ in range(5):
            x = np.sin(x) + x
            if recorder():
                used.add(x.ctypes.data)
        return (x,)

    step = Replayed(work)
    for n in (1000, 1000, 800, 800, 1000, 800, 1000):
        x = np.linspace(0, 1, n)
        np.testing.assert_array_equal(step(x)[0], work(x)[0])
    assert max(used) - min(used) < 8 * 1000 * 8
