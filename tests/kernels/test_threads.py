"""Work that is shared out: who does what, what is set back, and what an error leaves behind."""

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
import weakref

import numpy as np
import pytest
from blas import MUCH, blas_counts, blas_threads
from hypothesis import given
from hypothesis import strategies as st
from machines import machine
from oracles import assert_same, cotangent

import minires
from minires import Tensor, models
from minires import functional as F
from minires.errors import UsageError
from minires.kernels.cpu import memory
from minires.kernels.cpu.threads import _first_count, parallel_for

MEDIUM = 4e5  # too little for that, but more than a few calls
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")

needs_signals = pytest.mark.skipif(os.name != "posix", reason="no such signals on this system")


@pytest.fixture(autouse=True)
def two_threads():
    with machine(2, tiny=False), blas_threads(2):
        yield


def shares_of(items, elements=MUCH, products=0):
    """(start, stop, thread) of each share, in the order of the items."""
    seen = []

    def work(start, stop):
        seen.append((start, stop, threading.current_thread()))

    parallel_for(work, items, elements, products)
    return sorted(seen, key=lambda share: share[:2])


def expect_a_pool_that_works():
    """Every share is done when parallel_for returns, and done once."""
    for delayed in (0, 1, None):
        done = np.zeros(6, int)

        def work(start, stop, delayed=delayed, done=done):
            if delayed is not None and bool(start) == bool(delayed):
                time.sleep(0.05)
            done[start:stop] += 1

        parallel_for(work, 6, MUCH)
        assert done.tolist() == [1] * 6


# --- shares -------------------------------------------------------------------------------


@given(st.integers(1, 5), st.integers(0, 12))
def test_shares_are_all_items_once_and_nearly_even(threads, items):
    minires.set_num_threads(threads)
    shares = shares_of(items)
    assert [i for a, b, _ in shares for i in range(a, b)] == [*range(items)]
    assert len(shares) == max(1, min(threads, items))
    sizes = [b - a for a, b, _ in shares]
    assert max(sizes) - min(sizes) <= 1
    assert len({thread for *_, thread in shares}) == len(shares)
    assert shares[0][2] is threading.current_thread()


def test_little_work_stays_where_it_is():
    assert [share[:2] for share in shares_of(10, elements=10, products=10)] == [(0, 10)]


def test_many_products_are_shared_whatever_they_read():
    assert [share[:2] for share in shares_of(10, elements=10, products=MUCH)] == [(0, 5), (5, 10)]


def test_shares_run_at_the_same_time():
    both = threading.Barrier(2, timeout=10)
    parallel_for(lambda a, b: both.wait(), 2, MUCH)
    minires.set_num_threads(3)
    three = threading.Barrier(3, timeout=10)
    parallel_for(lambda a, b: three.wait(), 7, MUCH)


@pytest.mark.parametrize("n", [0, -1, 1025, 2**70, 1.5, 2.0, True, "2", None])
def test_set_num_threads_raises(n):
    with pytest.raises(UsageError) as refusal:
        minires.set_num_threads(n)
    assert "at least 1 and at most 1024, got " + repr(n) in str(refusal.value)
    assert minires.get_num_threads() == 2


def test_set_num_threads_is_what_get_num_threads_says():
    for n in (1, 7, 3):
        minires.set_num_threads(n)
        assert minires.get_num_threads() == n


def test_at_the_start_there_are_as_many_threads_as_cpus_may_be_used():
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    code = "import minires; print(minires.get_num_threads())"
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) == cpus


def test_a_program_that_used_threads_ends_without_a_word():
    code = (
        "import numpy as np, minires\n"
        "from minires import functional as F\n"
        "minires.set_num_threads(3)\n"
        "net = minires.models.cifar_resnet(8)\n"
        "y = net(np.ones((32, 3, 16, 16), np.float32))\n"
        "loss = F.cross_entropy(y, np.zeros(32, int))\n"
        "loss.backward()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# --- the same numbers ---------------------------------------------------------------------


def trained(threads, tiny, dtype):
    """Loss, gradients and running statistics of a net after two steps."""
    with machine(threads, tiny):
        minires.manual_seed(0)
        net = models.cifar_resnet(8, "B").to(dtype)
        optimiser = minires.optim.SGD(net.parameters(), 0.1, 0.9, 1e-4)
        images = np.random.default_rng(0).normal(size=(6, 3, 16, 16)).astype(dtype)
        for _ in range(2):
            net.zero_grad()
            loss = F.cross_entropy(net(images), np.arange(6))
            loss.backward()
            optimiser.step()
        return [loss.data, *(p.grad for p in net.parameters()), *net.state_dict().values()]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_same_number_of_threads_gives_the_same_bits(threads):
    first = trained(threads, True, "float32")
    for _ in range(3):
        for got, expected in zip(trained(threads, True, "float32"), first, strict=True):
            np.testing.assert_array_equal(got, expected)


def test_another_number_of_threads_gives_the_same_up_to_rounding():
    expected = trained(1, False, "float64")
    for threads in (1, 2, 3):
        assert_same(trained(threads, True, "float64"), expected, 1e-10)


# --- errors -------------------------------------------------------------------------------


@pytest.mark.parametrize("where", [[0], [1], [2], [0, 1], [1, 2], [0, 1, 2]])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_in_a_share_comes_out_and_leaves_the_pool_usable(where, error):
    minires.set_num_threads(3)
    finished = []

    def work(start, stop):
        if start in where:
            raise error(f"share {start}")
        time.sleep(0.02)
        finished.append(start)

    with pytest.raises(error, match=r"share [012]"):
        parallel_for(work, 3, MUCH)
    assert sorted(finished) == [i for i in range(3) if i not in where], "came out too early"
    assert blas_counts() == [2] * len(blas_counts())
    expect_a_pool_that_works()


def test_an_error_in_an_operation_leaves_everything_as_it_was():
    x = Tensor(np.full((16, 16, 32, 32), 1e30, np.float32), requires_grad=True)
    before = np.getbufsize()
    with np.errstate(all="raise"):
        settings = np.geterr()
        with pytest.raises(FloatingPointError):
            F.batch_norm(x, None, None, np.ones(16), np.ones(16), training=True)
        assert np.geterr() == settings
    assert np.getbufsize() == before
    assert blas_counts() == [2] * len(blas_counts())
    expect_a_pool_that_works()


@needs_signals
def test_an_interrupt_while_waiting_leaves_no_share_to_be_taken_for_the_next_ones():
    def interrupted(start, stop):
        if start:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            parallel_for(interrupted, 2, MUCH)
        expect_a_pool_that_works()
        assert blas_counts() == [2] * len(blas_counts())


def test_what_a_share_worked_on_does_not_live_on_in_the_pool():
    arrays = [np.ones(3)]
    there = weakref.ref(arrays[0])
    parallel_for(lambda a, b, x=arrays[0]: x.sum(), 2, MUCH)
    del arrays
    deadline = time.monotonic() + 10
    while there() is not None and time.monotonic() < deadline:
        time.sleep(0.001)
    assert there() is None


# --- shares within shares, and several threads at once ------------------------------------


def test_a_share_may_share_out_work_itself():
    done = np.zeros((4, 6), int)

    def outer(start, stop):
        for i in range(start, stop):

            def inner(a, b, i=i):
                done[i, a:b] += 1

            parallel_for(inner, 6, MUCH)

    parallel_for(outer, 4, MUCH)
    assert (done == 1).all()
    assert blas_counts() == [2] * len(blas_counts())
    expect_a_pool_that_works()


def test_several_threads_of_a_program_get_what_each_would_alone():
    def computed(seed):
        with machine(2, tiny=True):
            return gradient(seed)

    def gradient(seed):
        rng = np.random.default_rng(seed)
        x = Tensor(rng.normal(size=(4, 6, 8, 8)), requires_grad=True)
        w = Tensor(rng.normal(size=(6, 6, 3, 3)), requires_grad=True)
        h = F.conv2d(x, w, padding=1)
        y = F.relu(F.batch_norm(h, None, None, np.ones(6), np.zeros(6), training=True) + h)
        y.backward(cotangent(y))
        return y.data, x.grad, w.grad

    expected = [computed(seed) for seed in range(4)]
    got = [[] for _ in range(4)]
    with machine(2, tiny=True):
        threads = [
            threading.Thread(target=lambda s=s: got[s].extend(gradient(s) for _ in range(15)))
            for s in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for seed, right in enumerate(expected):
        assert len(got[seed]) == 15
        for answer in got[seed]:
            for a, b in zip(answer, right, strict=True):
                np.testing.assert_array_equal(a, b)
    assert blas_counts() == [2] * len(blas_counts())
    expect_a_pool_that_works()


def test_the_reference_in_one_thread_is_not_the_reference_in_another():
    kinds = []
    with minires.textbook():
        thread = threading.Thread(
            target=lambda: kinds.append(type(F.pad(np.ones((1, 1, 2, 2)), (1, 1))))
        )
        thread.start()
        thread.join()
    assert kinds == [Tensor]


# --- what is set back ---------------------------------------------------------------------


@pytest.mark.parametrize("before", [1, 2, 3])
def test_a_share_has_the_blas_to_itself_with_one_thread(before):
    with blas_threads(before):
        there, inside = blas_counts(), []
        assert there
        parallel_for(lambda a, b: inside.append(blas_counts()), 2, MUCH)
        assert blas_counts() == there == [before] * len(there)
        assert inside == [[1] * len(there)] * 2


def test_work_too_little_to_share_has_one_thread_of_the_blas_too():
    there, inside = blas_counts(), []
    parallel_for(lambda a, b: inside.append((a, b, blas_counts())), 7, MEDIUM)
    parallel_for(lambda a, b: inside.append((a, b, blas_counts())), 7, products=MEDIUM)
    assert inside == [(0, 7, [1] * len(there))] * 2
    assert blas_counts() == there


def test_nothing_to_do_is_one_empty_share():
    shares = []
    parallel_for(lambda a, b: shares.append((a, b)), 0, MUCH)
    assert shares == [(0, 0)]


def during_a_share_of_another_thread(function):
    """Run `function` while another thread of Python works; the BLAS' counts before it ends."""
    inside, works, goes_on = [], threading.Event(), threading.Event()

    def slow(start, stop):
        if start == 0:
            works.set()
            assert goes_on.wait(10)
            inside.extend(blas_counts())

    other = threading.Thread(target=lambda: parallel_for(slow, 2, MUCH))
    other.start()
    assert works.wait(10)
    function(lambda: (goes_on.set(), other.join()))
    goes_on.set()
    other.join()
    return inside


def test_the_blas_is_not_given_back_before_the_last_is_done():
    def begin_and_end(_):
        parallel_for(lambda a, b: None, 2, MUCH)

    assert during_a_share_of_another_thread(begin_and_end) == [1] * len(blas_counts())
    assert blas_counts() == [2] * len(blas_counts())


def test_operations_leave_numpys_settings_and_the_blas_as_they_were():
    before = np.getbufsize()
    with machine(2, tiny=True), np.errstate(divide="raise", over="ignore"):
        np.setbufsize(4096)
        try:
            errors, counts = np.geterr(), blas_counts()
            net = models.cifar_resnet(8)
            loss = F.cross_entropy(net(np.ones((4, 3, 16, 16), np.float32)), np.arange(4))
            assert (np.getbufsize(), np.geterr(), blas_counts()) == (4096, errors, counts)
            loss.backward()
            assert (np.getbufsize(), np.geterr(), blas_counts()) == (4096, errors, counts)
        finally:
            np.setbufsize(before)


# --- processes ----------------------------------------------------------------------------


def in_a_child(function):
    """The exit code of a forked process that runs `function`: 0 if it came to its end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
        child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.alarm(20)  # a deadlock ends, too
            function()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@needs_fork
def test_a_forked_process_computes_what_its_parent_does():
    expected = trained(2, True, "float32")
    expect_a_pool_that_works()  # the parent has workers now, of which the child has none

    def child():
        for got, right in zip(trained(2, True, "float32"), expected, strict=True):
            np.testing.assert_array_equal(got, right)
        expect_a_pool_that_works()
        assert blas_counts() == [2] * len(blas_counts())

    assert in_a_child(child) == 0
    expect_a_pool_that_works()
    assert in_a_child(lambda: pytest.fail("seen")) == 1, "a child's failure is not seen"


@needs_fork
def test_a_process_that_was_forked_while_another_thread_computed_is_not_stuck():
    def fork(_):
        assert in_a_child(lambda: (trained(2, True, "float32"), expect_a_pool_that_works())) == 0

    with blas_threads(1):
        during_a_share_of_another_thread(fork)


@needs_fork
def test_a_process_that_was_forked_while_another_thread_took_memory_is_not_stuck():
    def take(start, stop):
        while not done.is_set():
            memory.empty((1000 + start,), np.dtype(np.float32))

    done = threading.Event()
    other = threading.Thread(target=lambda: parallel_for(take, 2, MUCH))
    other.start()
    try:
        for _ in range(5):
            assert in_a_child(lambda: memory.empty((77,), np.dtype(np.float32))) == 0
    finally:
        done.set()
        other.join()


@pytest.mark.parametrize(
    ("value", "expected"),
    [("3", 3), ("4,2", 4), (" 2 ", 2), ("99999", 1024), ("0", None), ("many", None), ("", None)],
)
def test_omp_num_threads_is_respected(value, expected, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    asked = _first_count()
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert asked == (expected or _first_count())
