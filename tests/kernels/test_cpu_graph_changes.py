"""What a record cannot have, or what changes around it: followed, or said, never wrong numbers."""

import threading
import warnings

import numpy as np
import pytest
from noise_training import SmallNet

import minires
from minires import Replayed, Tensor
from minires import functional as F
from minires.errors import GraphError
from minires.nn import Parameter
from minires.optim import SGD


def noise(k, *shape):
    return np.random.default_rng(k).normal(size=shape or (4, 5))


def assert_same(function, arguments, said=None, again=None):
    """A replayed function returns what the function does, to the bit, or says why it cannot.

    `again` is a second such function, if it keeps something.
    """
    replayed = Replayed(again or function)
    for x in arguments:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            results = [np.array(y) for y in replayed(x)]
        expected = function(x)
        assert [str(w.message) for w in caught] == [] or said
        for y, of_function in zip(results, expected, strict=True):
            assert (y.dtype, y.shape) == (of_function.dtype, of_function.shape)
            np.testing.assert_array_equal(y, of_function)
    assert said in replayed.failure if said else replayed.failure == ""
    return replayed


def in_place(x):
    y, z = x.copy(), x * 1
    np.put(y, [0, 1], x[1, :2])
    np.putmask(z, x > 0, -x)
    np.fill_diagonal(y, 0)
    np.add(z, 1, y[:])
    return y, z


def out_by_position(x):
    y = x[:, :4] * 0
    np.dot(x, x.T, y)
    return (y,)


def replaced_numbers(x):
    total = first = x[0, 0]
    total += 1
    largest = before = x.max()
    largest -= 1
    x[0, 0] = 5
    return total * 1, first * 1, largest * 1, before * 1


def two_outputs(x):
    whole, rest = x * 0, x * 0
    np.modf(x, out=(rest, whole))
    return whole, rest, *divmod(x, 0.5), *np.frexp(x)


CALLS = [
    in_place,
    replaced_numbers,
    two_outputs,
    lambda x: tuple(np.split(x * 2, 2)),
    lambda x: (*np.linalg.qr(x), np.linalg.svd(x)[1]),
    lambda x: (x.take([1, 0], 0, out=x[:2] * 0), np.take(x, [1, 0], 0)),
    lambda x: (np.where(x > 0, x, -x), x[[2, 0]], x.T[::-1].sum(0), x[:0] + 1),
]


@pytest.mark.parametrize("function", CALLS)
def test_calls_of_numpy(function):
    assert_same(function, [noise(k) for k in range(5)])


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (x if np.array_equal(x, abs(x)) else -x,),
        lambda x: (x if np.allclose(x, 1) else -x,),
        lambda x: (x * float(f"{x[0, 0]:.3f}"),),
        lambda x: (x * 2, x.copy().partition(1, axis=0))[:1],
    ],
)
def test_a_number_that_is_looked_at_otherwise(function):
    assert_same(function, [noise(k) for k in range(4)], "looks at a number")


@pytest.mark.parametrize("function", [lambda x: (x[x > 0.5],), lambda x: np.nonzero(x > 0.5)])
def test_a_result_of_another_shape_is_not_repeated_to_the_one_recorded(function):
    """One element would fill an array of several."""
    two = np.array([1.0, 1, 0])
    replayed = Replayed(function)
    for x in (two, two[::-1].copy(), two, np.array([1.0, 0, 0]), np.ones(3), two):
        np.testing.assert_array_equal(replayed(x)[0], function(x)[0])


def test_what_was_written_before_such_a_result_is_written_once():
    total = np.zeros(3)

    def add(x):
        minires.backend.recorded(total)[...] += x
        return (x[x > 0.5],)

    replayed = Replayed(add)
    for x in (np.array([1.0, 1, 0]), np.array([1.0, 0, 1]), np.array([1.0, 0, 0])):
        replayed(x)
    assert total.tolist() == [3, 1, 1]


def test_out_by_position():
    assert_same(out_by_position, [noise(k) for k in range(4)])


def test_arguments_that_are_the_same_at_first():
    """The trial of a record shows nothing about them, and is made again when they change."""
    work = [noise(0)] * 4 + [noise(1), noise(2)]
    assert_same(lambda x: (np.asarray(x) * 2,), work, "a replay does not give")
    replayed = assert_same(lambda x: (x * 2,), work)
    assert not next(iter(replayed._captured.values())).untried


@pytest.mark.parametrize(
    "changed", [np.asfortranarray, lambda x: np.repeat(x, 3, 1)[:, ::3], lambda x: x[::-1, ::-1]]
)
def test_arrays_that_lie_otherwise_in_memory(changed):
    """Sums go along memory."""

    def sums(x):
        return x.sum(), x.sum(0), x.mean(1), np.einsum("ij->", x)

    xs = [noise(k, 300, 300).astype(np.float32) for k in range(8)]
    assert_same(sums, [x if k < 4 else changed(x) for k, x in enumerate(xs)])


def test_sums_in_a_buffer_of_another_size_are_noticed():
    xs = [noise(k, 300, 300).astype(np.float32) for k in range(3)]
    with np.errstate():  # which sets the size of the buffer back
        np.setbufsize(8192)
        assert_same(lambda x: (x.astype(">f4").sum(),), xs, "a replay does not give")


def test_two_dtypes_of_one_shape():
    assert_same(lambda x: (x / 3,), [np.ones(3, t) * k for k in range(4) for t in ("f4", "f8")])


def test_one_inside_another():
    inner = Replayed(lambda x: (x * 2,))
    assert_same(lambda x: (inner(x)[0] + 1,), [noise(max(k, 3)) for k in range(7)])


class Learner:
    """A training step, and what it changes."""

    def __init__(self, zero=True, step=True):
        self.w = Parameter(np.ones(3, np.float32))
        self.sgd = SGD([self.w], 0.125, momentum=0.5)
        self.zero, self.update = zero, step

    def __call__(self, x):
        if self.zero:
            self.sgd.zero_grad()
        loss = (self.w * self.w * x).sum()
        loss.backward()
        if self.update:
            self.sgd.step()
        return (loss.data,)


def assert_followed(change, said=None, **how):
    """A change before each step has the effect on a replayed learner that it has on another."""
    one, other = Learner(**how), Learner(**how)
    replayed = Replayed(other)
    for k in range(10):
        x = noise(k, 3).astype(np.float32)
        for learner in (one, other):
            change(k, learner)
        expected = one(x)[0].copy()
        with warnings.catch_warnings():
            warnings.simplefilter("error" if said is None else "ignore")
            assert replayed(x)[0] == expected
        np.testing.assert_array_equal(other.w.data, one.w.data)
        np.testing.assert_array_equal(other.w.grad, one.w.grad)
    assert said in replayed.failure if said else replayed.failure == ""
    return replayed


def at(*calls):
    """Do what is decorated before these calls alone."""
    return lambda change: lambda k, learner: change(k, learner) if k in calls else None


@pytest.mark.parametrize("calls", [(4,), (1,), (4, 5, 6)])
def test_an_array_that_a_parameter_gets_between_steps(calls):
    def assign(k, learner):
        learner.w.data = np.full(3, k, np.float32)

    assert assert_followed(at(*calls)(assign))._captured


@pytest.mark.parametrize("name", ["lr", "momentum", "weight_decay"])
def test_a_number_of_an_optimiser_that_changes(name):
    replayed = assert_followed(at(5)(lambda _, learner: setattr(learner.sgd, name, 0.75)))
    assert replayed._captured


def test_gradients_that_are_dropped_between_steps():
    dropped = assert_followed(lambda _, learner: learner.w.zero_grad(), zero=False, step=False)
    assert dropped._captured


def test_gradients_that_are_replaced_between_steps():
    assert_followed(at(3, 5)(lambda _, learner: setattr(learner.w, "grad", learner.w.data)))


@pytest.mark.parametrize("step", [False, True])
@pytest.mark.parametrize("every", [2, 3, 20])
def test_gradients_that_add_up(step, every):
    def drop(_, learner):
        learner.w.zero_grad()

    said = None if every == 2 else "adds to gradients that were there before"
    assert_followed(at(*range(0, 10, every))(drop), said, zero=False, step=step)


def test_gradients_that_add_up_are_restored_if_a_record_cannot_be_made():
    w = Parameter(np.ones(3, np.float32))

    def learn(x):
        (w * x).sum().backward()
        return (x if x.sum() > 0 else -x,)

    with pytest.warns(RuntimeWarning, match="looks at a number"):
        Replayed(learn)(np.ones(3, np.float32))
    assert w.grad.tolist() == [1, 1, 1]


def test_a_step_that_assigns_arrays_to_its_parameters():
    one, other = (Parameter(np.ones(3, np.float32)) for _ in range(2))

    def learn(w, x):
        w.zero_grad()
        (w * w * x).sum().backward()
        w.data = w.data - np.float32(0.125) * w.grad
        return ()

    replayed = Replayed(lambda x: learn(other, x))
    for k in range(4):
        x = noise(k, 3).astype(np.float32)
        learn(one, x)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            replayed(x)
        np.testing.assert_array_equal(other.data, one.data)
    assert "assigns another array to .data" in replayed.failure


def test_a_step_that_writes_into_its_parameters():
    def step():
        w = Parameter(np.ones(3, np.float32))

        def learn(x):
            w.zero_grad()
            (w * w * x).sum().backward()
            w.data[...] = w.data - np.float32(0.125) * w.grad
            w.data -= w.grad
            return (w.data,)

        return learn

    assert_same(step(), [noise(k, 3).astype(np.float32) for k in range(5)], again=step())


def test_modes_that_change_between_calls():
    nets = []
    for _ in range(2):
        minires.manual_seed(0)
        nets.append(SmallNet())
    xs = [noise(k, 4, 1, 8, 8).astype(np.float32) for k in range(16)]
    run = [lambda x, net=net: (net(x).data,) for net in nets]
    replayed = Replayed(run[1])
    threads = minires.get_num_threads()
    try:
        for k, x in enumerate(xs):
            for net in nets:
                net.train(k // 4 != 1)
            minires.set_num_threads(1 if k // 4 == 2 else 2)
            with minires.textbook() if k // 4 == 3 else minires.no_grad():
                np.testing.assert_array_equal(replayed(x)[0], run[0](x)[0])
    finally:
        minires.set_num_threads(threads)
    assert not replayed.failure


def test_sums_of_another_number_of_threads():
    w, before = Tensor(noise(0, 16, 3, 3, 3).astype(np.float32), True), minires.get_num_threads()

    def gradient(x):
        w.zero_grad()
        F.conv2d(x, w, padding=1).sum().backward()
        return (w.grad,)

    replayed = Replayed(gradient)
    try:
        for k in range(7):
            minires.set_num_threads(2 if k < 4 else 1)
            x = noise(k, 64, 3, 32, 32).astype(np.float32)
            y = replayed(x)[0].copy()
            np.testing.assert_array_equal(gradient(x)[0], y)
    finally:
        minires.set_num_threads(before)


def test_hooks_see_each_call():
    w, seen = Parameter(np.ones(3, np.float32)), []
    step = Replayed(lambda x: ((w * x).data,))
    for k in range(3):
        step(noise(k, 3).astype(np.float32))
    with minires.modes.set_modes(forward_hooks=(lambda op, *_: seen.append(op.name),)):
        step(noise(3, 3).astype(np.float32))
    assert seen == ["Mul"]


def test_what_another_thread_writes_meanwhile_is_not_a_replays():
    """Its parameters would count as changed at each replay, and its backward would raise."""
    learner, other = Learner(), Learner()

    def learn(x):
        thread = threading.Thread(target=other, args=(np.ones(3, np.float32),))
        thread.start()
        thread.join()
        return learner(x)

    step = Replayed(learn)
    for k in range(3):
        step(noise(k, 3).astype(np.float32))
    loss = (other.w * other.w).sum()
    step(noise(3, 3).astype(np.float32))
    loss.backward()


def test_interrupted_records_change_nothing():
    learner = Learner(zero=False)
    times = iter((2, 1, 0))

    def learn(x):
        results = learner(x)
        if next(times, 0):
            raise KeyboardInterrupt
        return results

    step, before = Replayed(learn), learner.w.data.copy()
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            step(np.ones(3, np.float32))
        assert learner.w.grad is None
        np.testing.assert_array_equal(learner.w.data, before)
    assert minires.backend.recorder() is None


def test_results_of_one_shape_lie_as_the_functions():
    (y,) = Replayed(lambda x: (x.T * 2,))(noise(0))
    assert y.flags.f_contiguous


def test_a_tensor_of_weights_of_classes_is_checked_again():
    weight = Tensor(np.ones(5, np.float32))
    labels = np.array([0, 1, 2, 3])

    def loss(x, counted):
        return (F.cross_entropy(x, labels, counted, reduction="none").data,)

    step, x = Replayed(loss), noise(0).astype(np.float32)
    for _ in range(3):
        step(x, weight.data)
    with pytest.raises(minires.errors.UsageError, match="not at least 0"):
        step(x, -weight.data)
    assert not step.failure


def test_graph_errors_are_of_minires():
    assert issubclass(minires.kernels.replayed.UnlikeError, GraphError)
