"""Memory that is used again: never while anything on it lives, and never more than was needed."""

import gc
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machines import machine
from oracles import LAYOUTS, laid_out

import minires
from minires import Tensor, models, no_grad, optim
from minires import functional as F
from minires.kernels.cpu import memory, tuning
from minires.kernels.cpu.memory import empty, is_constant

F32, F64, U8 = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.uint8)


def address(array):
    return array.__array_interface__["data"][0]


def pool():
    """The pool's (bytes in use, bytes waiting, most bytes in use at once)."""
    return memory._pool.used, memory._pool.free, memory._pool.most_used


@pytest.fixture(autouse=True, scope="module")
def only_what_is_new_is_collected():
    gc.collect()
    gc.freeze()  # else every collection here would go through all that the suite has imported
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def nothing_of_other_tests_is_in_use():
    gc.collect()


@pytest.fixture(autouse=True, scope="module")
def small_arrays_too():
    with tuning.changed(pooled_bytes=0):
        yield


# --- an array -----------------------------------------------------------------------------


@given(
    st.lists(st.integers(0, 7), max_size=4).map(tuple),
    st.sampled_from([F32, F64, U8, np.dtype(np.int16)]),
)
def test_an_array_is_as_asked_for_and_begins_on_a_cache_line(shape, dtype):
    a = empty(shape, dtype)
    assert (a.shape, a.dtype) == (shape, dtype)
    assert a.flags.c_contiguous
    assert a.flags.writeable
    assert a.flags.aligned
    assert a.size == 0 or address(a) % 64 == 0
    a[...] = 3
    assert (a == 3).all()


def test_sizes_that_are_no_multiple_of_a_line_do_not_overlap():
    arrays = [empty((n,), U8) for n in range(1, 140)]
    for n, a in enumerate(arrays):
        a[...] = n
    assert all((a == n).all() for n, a in enumerate(arrays))


def test_what_is_gone_is_used_again_and_only_then():
    a = empty((1000,), F32)
    where = address(a)
    view = a[10:20].reshape(2, 5)
    del a
    other = empty((1000,), F32)
    assert address(other) != where, "a view of it still lives"
    del view
    again = empty((500,), F64)
    assert address(again) == where, "as many bytes, of another type"


@pytest.mark.parametrize(
    "keep",
    [
        lambda a: a[::-1],
        lambda a: a.T[3:].T,
        lambda a: a.view(np.uint8),
        lambda a: np.asarray(a),
        lambda a: np.broadcast_to(a, (2, *a.shape)),
        lambda a: memoryview(a),
        lambda a: np.from_dlpack(a),
        lambda a: np.frombuffer(a, np.uint8),
        lambda a: np.lib.stride_tricks.sliding_window_view(a, 3, axis=0),
        lambda a: np.ndarray((3,), F32, a, 64),
        lambda a: a.flat,
        lambda a: Tensor(a),
        lambda a: a[0, 0:1].squeeze(),
    ],
)
def test_whatever_still_reads_the_memory_keeps_it(keep):
    a = empty((10, 8), F32)
    where = address(a)
    kept = keep(a)
    del a
    assert address(empty((10, 8), F32)) != where
    del kept
    gc.collect()
    assert where in {address(b) for b in [empty((10, 8), F32) for _ in range(3)]}


def without_writing(a):
    a.flags.writeable = False
    return a


def test_constant_is_what_cannot_be_written_to_and_is_no_view_of_anything_else():
    for size in (0, 1 << 20):
        with tuning.changed(pooled_bytes=size):
            a = empty((4, 6), F32)
        a[...] = 0
        early = a[1:]
        assert not is_constant(a)
        without_writing(a)
        views = a, a[1:], a.T, a.reshape(3, 8), a[:, ::-2], a.view(np.int32), np.asarray(a)[None]
        for view in views:
            assert is_constant(view)
        assert not is_constant(early), "it was taken while there was something to write"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_view_that_cannot_be_written_of_an_array_that_can_is_not_constant(layout):
    a = laid_out(np.zeros((4, 6)), layout)
    view = without_writing(a.view())
    for other in (view, view[1:], view.T, np.broadcast_to(a, (2, 4, 6)), a, np.array(a)):
        assert not is_constant(other)
    assert not is_constant(without_writing(np.frombuffer(bytearray(4), np.uint8)))
    assert is_constant(without_writing(np.zeros(3)))


def test_what_operations_of_maps_hand_out_is_constant_and_so_are_views_of_it():
    """Whatever view was taken of it, a lazy array may rest on it."""
    x = Tensor(np.ones((2, 3, 4, 4), np.float32), requires_grad=True)
    y = F.conv2d(x, np.ones((3, 3, 3, 3), np.float32), padding=1)
    z = F.relu(y + F.pad(y, (0, 0)))
    for made in (y, z, F.pad(y, (1, 0)), F.max_pool2d(y, 2), F.batch_norm(y, *STATISTICS)):
        assert is_constant(made.data)
        with pytest.raises(ValueError, match="read-only"):
            made.data[:][...] = 0


STATISTICS = [np.ones(3, np.float32)] * 4


def test_what_a_user_can_change_in_place_is_not_constant():
    """Parameters, gradients, running statistics, a user's arrays: no lazy array rests on them."""
    net = models.cifar_resnet(8)
    optimiser = optim.SGD(net.parameters(), 0.1, 0.9)
    x = Tensor(np.ones((4, 3, 8, 8), np.float32), requires_grad=True)
    y = net(x)
    y.retain_grad()
    F.cross_entropy(y, np.arange(4)).backward()
    optimiser.step()
    theirs = [*net.state_dict().values(), *optimiser.velocities, x.grad, y.grad, x.data]
    theirs += [p.grad for p in net.parameters()] + [t.data for _, t in net.named_tensors()]
    assert not any(is_constant(a) for a in theirs)


# --- any order of taking and leaving ------------------------------------------------------


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 20), st.integers(1, 3)), max_size=80))
def test_arrays_that_live_keep_what_was_written_to_them(moves):
    """take, look at a part, forget, forget all but a part: what lives has its own pattern."""
    alive, pattern = {}, 0
    for kind, which, size in moves:
        keys = [*alive]
        key = keys[which % len(keys)] if keys else None
        if kind <= 1 or key is None:
            pattern += 1
            alive[pattern] = [empty((size, 100), F64)]
            alive[pattern][0][...] = pattern
        elif kind == 2:
            alive[key].append(alive[key][-1][:, which % 50 :: 2])
        elif kind == 3:
            alive[key] = alive[key][-1:]
        else:
            del alive[key]
        used, free, most = pool()
        assert used + free <= most
    for number, arrays in alive.items():
        assert all((a == number).all() for a in arrays)
    starts = [address(arrays[0]) for arrays in alive.values()]
    assert len({*starts}) == len(starts)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.randoms())
def test_the_counts_are_right_and_no_more_is_kept_than_was_in_use_at_once(sizes, random):
    used_before = pool()[0]
    most_before = pool()[2]
    in_use, most, arrays = 0, 0, []
    for size in sizes:
        arrays.append(empty((size * 16,), F32))
        in_use += 64 * size
        most = max(most, in_use)
        used, free, most_used = pool()
        assert used - used_before == in_use
        assert used + free <= most_used == max(most_before, used_before + most)
        while arrays and random.random() < 0.45:
            in_use -= arrays.pop(random.randrange(len(arrays))).nbytes
    arrays.clear()
    used, free, most_used = pool()
    assert used == used_before
    assert free <= most_used


def test_memory_of_other_sizes_is_released():
    """Else images of ever new sizes would fill the machine."""
    before = sum(pool()[:2])
    for n in range(200):
        empty((1000 + 16 * n,), F64)[...] = 1
    largest = 8 * (1000 + 16 * 200)
    assert sum(pool()[:2]) <= max(before, pool()[0] + largest, pool()[2])


def test_threads_take_and_leave_at_the_same_time():
    before, wrong = pool()[0], []

    def work(number):
        rng, mine = np.random.default_rng(number), []
        for i in range(1500):
            a = empty((1 + int(rng.integers(3)), 50), F64)
            a[...] = 10_000 * number + i
            mine.append((a, 10_000 * number + i))
            if len(mine) > 5:
                kept, pattern = mine.pop(int(rng.integers(5)))
                wrong.extend([pattern] if (kept != pattern).any() else [])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert pool()[0] == before


def test_an_array_may_be_left_in_another_thread_or_by_the_collector():
    before = pool()[0]
    arrays = [empty((100,), F32) for _ in range(3)]
    thread = threading.Thread(target=arrays.clear)
    thread.start()
    thread.join()
    assert pool()[0] == before
    cycle = [empty((100,), F32)]
    cycle.append(cycle)
    del cycle
    assert pool()[0] > before
    gc.collect()
    assert pool()[0] == before


# --- what operations leave behind ---------------------------------------------------------


def step(net, optimiser, images):
    net.zero_grad()
    loss = F.cross_entropy(net(images), np.arange(len(images)))
    loss.backward()
    if optimiser is not None:
        optimiser.step()


def bytes_of_arrays():
    """What the memory of all NumPy arrays of this program adds up to."""
    domain = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
    return sum(t.size for t in tracemalloc.take_snapshot().filter_traces([domain]).traces)


def test_training_takes_no_more_memory_after_fifty_steps_than_after_five():
    minires.manual_seed(0)
    net = models.cifar_resnet(8, "B")
    optimiser = optim.SGD(net.parameters(), 0.01, 0.9)
    images = np.random.default_rng(0).normal(size=(6, 3, 12, 12)).astype(np.float32)
    in_use, taken = pool()[0], []
    tracemalloc.start()
    try:
        for count in (5, 45):
            for _ in range(count):
                step(net, optimiser, images)
            gc.collect()
            taken.append((pool(), bytes_of_arrays(), len(gc.get_objects())))
    finally:
        tracemalloc.stop()
    assert taken[0][:2] == taken[1][:2]
    assert taken[1][2] < taken[0][2] + 45, "an object more after every step"
    optimiser.zero_grad()
    assert pool()[0] == in_use, "memory of activations is still in use"


def test_nothing_is_kept_of_a_graph_that_was_dropped_or_not_recorded():
    gc.collect()
    gc.disable()
    try:
        with machine(2, tiny=True):
            net = models.cifar_resnet(8, "B")
            images = np.ones((4, 3, 8, 8), np.float32)
            before = pool()[0]
            net(images)
            assert pool()[0] == before
            with no_grad():
                net.eval()(images)
            assert pool()[0] == before
            net.train()
            loss = F.cross_entropy(net(images), np.arange(4))
            steps = loss.backward_steps()
            for _ in range(5):
                next(steps)
            del loss
            steps.close()
            del steps
            assert pool()[0] == before
    finally:
        gc.enable()


def test_an_error_in_the_middle_keeps_no_memory():
    before = pool()[0]
    with machine(2, tiny=True):
        x = Tensor(np.full((4, 3, 8, 8), 1e30, np.float32), requires_grad=True)
        for _ in range(3):
            with np.errstate(all="raise"), pytest.raises(FloatingPointError):
                F.batch_norm(F.pad(x, (1, 1)), None, None, np.ones(3), np.ones(3), training=True)
    gc.collect()
    assert pool()[0] == before
