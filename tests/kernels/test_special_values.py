"""Where kernels could answer otherwise than the reference: NaN and infinities, no elements."""

import threading
from contextlib import nullcontext

import numpy as np
import pytest
from blas import MUCH, blas_counts, blas_threads
from machines import machine
from oracles import LAYOUTS, assert_same, cotangent, laid_out, run

import minires
from minires import Tensor, textbook
from minires import functional as F
from minires.errors import DTypeError
from minires.kernels.cpu.threads import parallel_for

NANS = np.array([np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-45], np.float32)


def numbers(seed, shape, dtype=np.float64, mean=0.0):
    return (np.random.default_rng(seed).normal(size=shape) + mean).astype(dtype)


def made(x):
    """x, as an operation has made it: so that lazy arrays can be made from it."""
    return F.pad(x, (0, 0))


def both(function, *arrays):
    """(y, gradients) of the kernel, and of the reference."""
    with np.errstate(all="ignore"):
        got = run(function, *arrays)[:2]
        with textbook():
            return got, run(function, *arrays)[:2]


def expect_the_same_bits(function, *arrays):
    (y, gradients), (expected, expected_gradients) = both(function, *arrays)
    for got, right in zip((y, *gradients), (expected, *expected_gradients), strict=True):
        np.testing.assert_array_equal(got, right)


# --- no numbers ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_relu_and_its_gradient_of_what_is_no_number(dtype):
    x = np.repeat(NANS.astype(dtype), 3).reshape(2, 3, 2, 2)
    expect_the_same_bits(lambda x: F.relu(made(x)), x)
    expect_the_same_bits(lambda x: F.relu(made(x) + made(x)), x)


def test_a_relu_keeps_an_infinite_gradient_out_of_what_it_cut_off_and_lets_it_through_elsewhere():
    x = Tensor(NANS.reshape(1, 4, 2, 1), requires_grad=True)
    for gy in (np.inf, -np.inf, np.nan):
        x.zero_grad()
        F.relu(made(x)).backward(np.full(x.shape, gy, np.float32))
        passed = x.grad[~(x.data <= 0)]
        np.testing.assert_array_equal(passed, np.full_like(passed, gy))
        assert not x.grad[x.data <= 0].any()


def test_a_nan_goes_through_batch_norm_as_in_the_reference():
    for bad in (np.nan, np.inf):
        x = numbers(0, (4, 3, 3, 2))
        x[1, 2, 0, 1] = bad
        (y, gradients), (expected, expected_gradients) = both(
            lambda x, w, b: F.batch_norm(made(x), None, None, w, b, training=True),
            *(x, numbers(1, (3,)), numbers(2, (3,))),
        )
        for got, right in zip((y, *gradients), (expected, *expected_gradients), strict=True):
            np.testing.assert_array_equal(np.isfinite(got), np.isfinite(right))
        assert_same(y[:, :2], expected[:, :2])


@pytest.mark.parametrize("settings", [(2,), (3, 2, 1), (3, 1, 1), ((1, 3), (2, 1))])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_max_pooling_of_what_is_no_number(bad, settings):
    x = np.random.default_rng(0).integers(-2, 3, (2, 3, 7, 6)).astype(np.float64)
    x[0, 1, 2:4, 3] = x[1, 2, 6, 5] = bad
    (y, (gx,)), (expected, (right,)) = both(lambda x: F.max_pool2d(x, *settings), x)
    np.testing.assert_array_equal(y, expected)
    assert_same(gx, right, 1e-14)


def test_cross_entropy_of_what_is_far_from_a_probability():
    labels = np.array([0, 1, 2, 1])
    for smoothing in (0, 0.1, 1):
        for scale in (1e-30, 1, 100, 1e4):
            x = scale * numbers(0, (4, 3))
            (y, gradients), (expected, right) = both(
                lambda x, s=smoothing: F.cross_entropy(x, labels, label_smoothing=s), x
            )
            assert_same((y, gradients), (expected, right), 1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.uint64])
def test_labels_of_any_integer_type(dtype):
    labels = np.array([0, 1, 6, 1], dtype)
    expect = both(lambda x: F.cross_entropy(x, labels), numbers(0, (4, 7)))
    assert_same(*expect, 1e-13)


# --- no elements --------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(0, 3, 4, 5), (2, 0, 4, 5), (2, 3, 0, 5), (2, 3, 4, 0)])
@pytest.mark.parametrize(
    "function",
    [
        made,
        lambda x: F.pad(x, (1, 0, 2, 1)),
        lambda x: F.pad(x, (0, 0, 0, 0, 1, 1)),
        lambda x: x[:, :, ::2, 1:],
        lambda x: x[1:],
        lambda x: F.relu(made(x)),
        lambda x: made(x) + made(x),
    ],
    ids=["copy", "pad", "pad channels", "slices", "no first", "relu", "add"],
)
def test_maps_without_elements(function, shape):
    expect_the_same_bits(function, np.ones(shape))


@pytest.mark.parametrize("key", [slice(0, 0), (slice(None), 0), (..., None), 1, (0, 1, 2, 3)])
def test_of_maps_any_part_can_be_taken(key):
    expect_the_same_bits(lambda x: x[key], numbers(0, (2, 3, 4, 5)))


# --- types and layouts --------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_only_moves_numbers_is_the_references_in_every_bit_and_layout(dtype, layout):
    x = laid_out(numbers(0, (3, 4, 7, 6), dtype), layout)
    for function in (
        lambda x: F.pad(x, (1, 2, 0, 1, 2, 0, 0, 1), value=-0.5),
        lambda x: x[1:, ::-1, :, ::2],
        lambda x: x[:, 1],
        lambda x: F.shortcut_a(x, 9, 2),
        lambda x: F.max_pool2d(x, 2),
        lambda x: F.relu(made(x)),
        lambda x: made(x) + made(x),
        lambda x: F.relu(made(x) + made(x) + x),
    ):
        expect_the_same_bits(function, x)


@pytest.mark.parametrize("function", [lambda x: F.batch_norm(x, None, None, *WB, training=True)])
def test_batch_norm_of_other_than_maps_is_the_references(function):
    for shape in [(5, 3), (5, 3, 4), (2, 3, 2, 2, 2)]:
        expect_the_same_bits(function, numbers(0, shape))


WB = (np.array([1.0, 2.0, 0.5]), np.array([0.0, 1.0, -1.0]))


@pytest.mark.parametrize("prepare", [made, lambda x: x], ids=["lazy", "of a user's array"])
@pytest.mark.parametrize("mean", [0, 10, -1000, 3e4])
def test_batch_norm_far_from_zero_keeps_the_digits_that_float32_has(mean, prepare):
    """Mean and standard deviation of x itself in float64: what remains is the rounding of x."""
    x = numbers(0, (9, 3, 11, 7), np.float32, mean)
    w, b = (v.astype(np.float32) for v in WB)
    ulp = np.spacing(np.float32(max(1, abs(mean))))

    def normalised(x, w, b):
        return F.batch_norm(prepare(x), None, None, w, b, training=True)

    y, gradients, _ = run(normalised, x, w, b)
    with textbook():
        expected, right, _ = run(normalised, *(a.astype(np.float64) for a in (x, w, b)))
    assert np.abs(y - expected).max() < 8 * ulp
    assert_same(gradients, right, 1e-5 + 4 * ulp)


@pytest.mark.parametrize("mean", [0, 1000])
def test_the_statistics_of_float32_are_those_of_float64(mean):
    x = numbers(0, (64, 2, 16, 16), np.float32, mean)
    running = np.zeros(2, np.float32), np.zeros(2, np.float32)
    F.batch_norm(Tensor(x), *running, np.ones(2), np.zeros(2), training=True, momentum=1)
    exact = x.astype(np.float64)
    assert_same(running[0], exact.mean((0, 2, 3)), 1e-6 if mean else 1e-4)
    assert_same(running[1], exact.var((0, 2, 3), ddof=1), 1e-5)


def test_types_that_only_the_reference_takes_stay_there():
    x = np.arange(24).reshape(1, 2, 3, 4)
    assert F.pad(Tensor(x), (1, 1)).dtype == x.dtype
    assert (
        F.pad(Tensor(x), (1, 1))[:, 1:].numpy() == np.pad(x, ((0, 0),) * 3 + ((1, 1),))[:, 1:]
    ).all()
    half = Tensor(x.astype(np.float16))
    assert F.relu(F.conv2d(half, Tensor(np.ones((1, 2, 1, 1), np.float16)))).dtype == np.float16


@pytest.mark.parametrize("swapped", [">f4", ">f8"])
def test_numbers_of_another_byte_order_give_the_same_or_raise(swapped):
    native = numbers(0, (2, 3, 4, 4), np.dtype(swapped).newbyteorder("="))
    w = Tensor(numbers(1, (3, 3, 1, 1), native.dtype), requires_grad=True)

    def gradient(x):
        w.zero_grad()
        y = F.relu(F.conv2d(Tensor(x), w))
        y.backward(cotangent(y))
        return y.data, w.grad

    expected = gradient(native)
    try:
        got = gradient(native.astype(swapped))
    except DTypeError:
        return
    assert_same(got, expected, 1e-6)


# --- settings of the thread that asks -----------------------------------------------------


def test_a_share_in_another_thread_treats_errors_as_its_caller_does():
    """Else a net that diverges would warn from a worker where the caller had said to ignore it."""
    large = np.full(10, 1e38, np.float32)

    def overflows(start, stop):
        large[start:stop] * np.float32(10)

    with machine(2, tiny=False):
        with np.errstate(over="ignore"):
            parallel_for(overflows, 10, MUCH)  # a warning is an error in this suite
        seen = []
        with np.errstate(over="raise", divide="ignore"):
            expected = np.geterr()
            parallel_for(lambda a, b: seen.append(np.geterr()), 10, MUCH)
        assert seen == [expected] * 2
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"), machine(2, tiny=True):
            x = Tensor(np.full((4, 4, 8, 8), 1e30, np.float32), requires_grad=True)
            y = F.batch_norm(
                made(x) * numbers(0, x.shape, np.float32), None, None, *WB4, training=True
            )
            y.backward(cotangent(y))


@pytest.mark.parametrize("book", [False, True], ids=["fast", "textbook"])
def test_underflow_is_harmless_whatever_the_caller_asks_of_numpy(book):
    """A whole training step of numbers near the smallest: products and probabilities become 0."""
    minires.manual_seed(0)
    net = minires.models.cifar_resnet(8, "B", num_classes=4, in_channels=1)
    sgd = minires.optim.SGD(net.parameters(), 1e-20, 1e-20, 1e-20)
    for p in net.parameters():
        p.data = p.data * np.float32(1e-20) if p.ndim == 1 else p.data
    images = numbers(0, (4, 1, 8, 8), np.float32) * np.float32(1e-20)
    with machine(2, tiny=True), np.errstate(all="raise"), textbook() if book else nullcontext():
        tiny = Tensor([1e-30, 1e-300], requires_grad=True)
        (tiny * 2).backward(np.array([1e-300, 1e-30]))
        ((tiny * tiny * 1e-30).sum() + F.log_softmax(tiny * 1e33).exp().sum()).backward()
        for _ in range(2):
            logits = net(images) + np.array([0, 200, 0, -200], np.float32)
            F.cross_entropy(logits, [0, 1, 2, 3]).backward()
            sgd.step()
        net.eval()(images)
        small = np.full(1, 1e-30, np.float32)
        assert not F.batch_norm(made(images), None, None, small, 0 * small, True).data.any()
        net.to(np.float64).to(np.float32)
        with pytest.raises(FloatingPointError, match="overflow"):
            tiny * 1e35 * 1e35


WB4 = np.ones(4), np.zeros(4)


def test_a_view_that_was_taken_before_a_lazy_array_was_made_cannot_change_it():
    """Either the write is refused, or what was returned keeps its values."""
    h = made(Tensor(numbers(0, (5, 3, 4, 2))))
    view = h.data[:]
    y = F.batch_norm(h, None, None, *WB, training=True)
    expected = F.batch_norm(h.data.copy(), None, None, *WB, training=True).data
    if view.flags.writeable:
        view[...] = 0
    assert_same(y.data, expected, 1e-13)


def test_running_statistics_that_move_on_change_no_gradient_of_what_was_evaluated_before():
    """A net is evaluated, trained, and only then differentiated where it was evaluated."""

    def gradients():
        mean, var = np.full(3, 0.5), np.full(3, 2.0)
        x, w, b = (Tensor(numbers(i, s), requires_grad=True) for i, s in enumerate(shapes))
        y = F.batch_norm(made(x), mean, var, w, b)
        F.batch_norm(made(x), mean, var, w, b, training=True)
        y.backward(cotangent(y))
        return [x.grad, w.grad, b.grad]

    shapes = (4, 3, 5, 5), (3,), (3,)
    got = gradients()
    with textbook():
        assert_same(got, gradients(), 1e-12)


def test_the_last_thread_gives_the_blas_back():
    """threadpoolctl lets only the first thread that limited a BLAS change its limit again."""
    began, end, ended, leave = (threading.Event() for _ in range(4))

    def first():
        parallel_for(lambda a, b: (began.set(), end.wait(10)), 2, MUCH)
        ended.set()
        leave.wait(10)

    with machine(2, tiny=False), blas_threads(2):
        other = threading.Thread(target=first)
        other.start()
        assert began.wait(10)
        parallel_for(lambda a, b: (end.set(), ended.wait(10)), 2, MUCH)
        counts = blas_counts()
        leave.set()
        other.join()
    assert counts == [2] * len(counts)


def test_the_blas_is_held_for_every_thread_of_a_program_and_not_only_for_the_first():
    inside = []
    with machine(2, tiny=False), blas_threads(2):
        parallel_for(lambda a, b: None, 2, MUCH)
        other = threading.Thread(
            target=lambda: parallel_for(lambda a, b: inside.append(blas_counts()), 2, MUCH)
        )
        other.start()
        other.join()
        assert inside == [[1] * len(blas_counts())] * 2


def test_statistics_of_another_type_are_treated_as_in_the_reference():
    x, w, b = (numbers(i, s, np.float32) for i, s in enumerate([(4, 3, 5, 5), (3,), (3,)]))
    for dtype in (np.float32, np.float64):
        mean, var = (np.full(3, v, dtype) for v in (0.5, 2))
        answers = []
        for book in (False, True):
            with textbook() if book else machine(2, tiny=False):
                try:
                    answers.append(
                        run(lambda *xs, s=(mean, var): F.batch_norm(*xs[:1], *s, *xs[1:]), x, w, b)[
                            :2
                        ]
                    )
                except minires.MiniresError as refusal:
                    answers.append(type(refusal))
        if isinstance(answers[1], tuple):
            assert_same(answers[0], answers[1], 1e-5)
        else:
            assert answers[0] is answers[1]
