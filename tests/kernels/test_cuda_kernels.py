"""Every kernel for CuPy against the reference, in the emulator or on a GPU."""

from contextlib import ExitStack

import numpy as np
import pytest
from cuda_emulator import DEVICES, device
from oracles import assert_same, cotangent, run

import minires
from minires import Tensor, kernels, nn
from minires import functional as F
from minires.autograd.hooks import backward_hook
from minires.backend import to_numpy
from minires.data.dataset import Dataset
from minires.kernels.cuda import batchnorm, conv
from minires.kernels.cuda import tiles as cuda_tiles
from minires.ops.update import update, update_all

TOLERANCE = 2e-5


@pytest.fixture(autouse=True, scope="module", params=DEVICES)
def cupy(request):
    with device(request.param) as module:
        yield module


def numbers(seed, *shape, mean=0.0):
    return (np.random.default_rng(seed).normal(size=shape) + mean).astype(np.float32)


def compare(cupy, function, *arrays, tolerance=TOLERANCE):
    """`function` of the arrays, on the device, is what the textbook makes of them in float64."""
    xs = [None if a is None else Tensor(cupy.asarray(a), requires_grad=True) for a in arrays]
    y = function(*xs)
    y.backward(cupy.asarray(cotangent(y)))
    with minires.textbook():
        exact = [None if a is None else a.astype(np.float64) for a in arrays]
        expected, gradients, _ = run(function, *exact)
    assert y.dtype == np.float32
    assert_same(y.numpy(), expected, tolerance)
    for x, a, g in zip(xs, arrays, gradients, strict=True):
        if x is not None:
            assert isinstance(x.grad, cupy.ndarray)
            assert_same(x.grad.get(), g, tolerance)
            np.testing.assert_array_equal(x.numpy(), a, err_msg="an input was changed")


CONVOLUTIONS = [  # x, w, stride, padding
    ((2, 3, 7, 6), (4, 3, 3, 3), 1, 1),
    ((1, 16, 9, 9), (16, 16, 3, 3), 1, 1),
    ((33, 2, 5, 4), (3, 2, 3, 3), 2, 1),
    ((7, 5, 6, 6), (40, 5, 1, 1), 2, 0),
    ((3, 20, 5, 5), (33, 20, 3, 3), (2, 1), (0, 2)),
    ((2, 1, 11, 9), (5, 1, 7, 7), 2, 3),
    ((1, 1, 1, 1), (1, 1, 1, 1), 1, 0),
    ((4, 70, 3, 2), (65, 70, 2, 1), 3, 1),
    ((2, 32, 5, 4), (64, 32, 3, 3), 1, 1),
]


@pytest.mark.parametrize(("x", "w", "stride", "padding"), CONVOLUTIONS)
def test_convolution(cupy, x, w, stride, padding):
    arrays = numbers(0, *x), numbers(1, *w), numbers(2, w[0])
    compare(cupy, lambda x, w, b: F.conv2d(x, w, b, stride, padding), *arrays)


@pytest.mark.parametrize("tf32", [False, True])
@pytest.mark.parametrize(("wanted", "slices"), [(1, 1), (8, 2), (100, 4)])
def test_few_tiles_are_made_by_several_slices_of_threads(cupy, monkeypatch, wanted, slices, tf32):
    """There are three tiles, of as many as are wanted."""
    used, launch = [], conv.launch

    def launched(file, name, grid, *arguments, **settings):
        used.extend([settings["SLICES"]] if name == "correlate" else [])
        launch(file, name, grid, *arguments, **settings)

    monkeypatch.setattr(conv, "launch", launched)
    monkeypatch.setattr(cuda_tiles, "BLOCKS", wanted)
    conv.plan.cache_clear()
    arrays = [
        in_tf32(numbers(s, *shape)) for s, shape in enumerate([(7, 64, 5, 4), (64, 64, 3, 3)])
    ]
    with minires.tf32(tf32):
        compare(
            cupy,
            lambda x, w: F.conv2d(x, w, None, 1, 1),
            *arrays,
            tolerance=2e-3 if tf32 else TOLERANCE,
        )
    conv.plan.cache_clear()
    assert set(used) == {slices}


def in_tf32(array):
    """Rounded as the tensor cores round a factor: to 10 bits of fraction."""
    bits = array.view(np.uint32)
    return ((bits + 0x1000) & ~np.uint32(0x1FFF)).view(np.float32)


@pytest.mark.parametrize(("x", "w", "stride", "padding"), CONVOLUTIONS)
def test_convolution_in_tf32(cupy, x, w, stride, padding):
    """Of factors that TF32 can hold it is as exact as in float32, both ways."""
    arrays = [in_tf32(numbers(seed, *shape)) for seed, shape in enumerate((x, w))]

    def output_and_gradients(convert):
        x, w = (Tensor(convert(a), requires_grad=True) for a in arrays)
        y = F.conv2d(x, w, None, stride, padding)
        y.backward(convert(in_tf32(numbers(2, *y.shape))))
        return [Tensor(a).numpy() for a in (y.data, x.grad, w.grad)]

    with minires.tf32():
        found = output_and_gradients(cupy.asarray)
    with minires.textbook():
        expected = output_and_gradients(lambda a: a.astype(np.float64))
    assert_same(found, expected, TOLERANCE)


def test_tf32_is_used_within_tf32_alone(cupy):
    """Sums of 1 + 2⁻¹², which is 1 in TF32, and of 1 + 2⁻¹⁰, which it can hold."""
    for value, rounded in ((1 + 2**-12, 1.0), (1 + 2**-10, 1 + 2**-10)):
        x, w = cupy.full((2, 3), value, np.float32), cupy.ones((4, 3), np.float32)
        np.testing.assert_array_equal(F.linear(x, w).numpy(), np.float32(3 * value))
        with minires.tf32():
            np.testing.assert_array_equal(F.linear(x, w).numpy(), np.float32(3 * rounded))
        np.testing.assert_array_equal(F.linear(x, w).numpy(), np.float32(3 * value))


@pytest.mark.parametrize(
    ("x", "w", "b"), [((5, 7), (3, 7), True), ((33, 64), (10, 64), True), ((1, 1), (2, 1), False)]
)
def test_linear(cupy, x, w, b):
    arrays = numbers(0, *x), numbers(1, *w), numbers(2, w[0]) if b else None
    compare(cupy, F.linear, *arrays)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (33, 1, 7, 9), (2, 5, 1, 3), (8, 2, 33, 40)])
@pytest.mark.parametrize("mean", [0, 100])
def test_batch_norm(cupy, shape, mean):
    C = shape[1]
    x = numbers(0, *shape, mean=mean)
    w, b = numbers(1, C), numbers(2, C)
    # Where x is about 100, float32 knows its deviations to one part in 100,000 alone.
    tolerance = 1e-3 if mean else TOLERANCE
    compare(
        cupy, lambda x, w, b: F.batch_norm(x, None, None, w, b, True), x, w, b, tolerance=tolerance
    )


def test_vectors_that_do_not_lie_next_to_each_other(cupy):
    """A kernel gets an address and knows no strides."""

    def normalised(x, w, b):
        return F.batch_norm(x, None, None, w[::2], b[::-2], True)

    compare(cupy, normalised, numbers(0, 5, 3, 4, 2), numbers(1, 6), numbers(2, 6))


def test_weights_that_lie_in_any_order(cupy):
    def product(x, w, v):
        return F.linear(F.global_avg_pool2d(F.conv2d(x, w[::-1, :, ::2])), v.permute(1, 0))

    arrays = numbers(0, 4, 2, 6, 5), numbers(1, 3, 2, 5, 2), numbers(2, 3, 7)
    compare(cupy, product, *arrays)


def kernels_of(monkeypatch, *modules):
    """The names of the kernels that are launched from now on."""
    names = []
    for module in modules:

        def launched(file, name, *arguments, launch=module.launch, **settings):
            names.append(name)
            launch(file, name, *arguments, **settings)

        monkeypatch.setattr(module, "launch", launched)
    return names


STATISTICS = [  # x, w, slices of threads; the last has more parts than a thread reads at once
    *((x, w, 1) for x, w, _, _ in CONVOLUTIONS if x != (1, 1, 1, 1)),
    *(((7, 64, 5, 4), (64, 64, 3, 3), slices) for slices in (2, 4)),
    ((129, 1, 10, 10), (3, 1, 1, 1), 1),
]


@pytest.mark.parametrize("tf32", [False, True])
@pytest.mark.parametrize(("x", "w", "slices"), STATISTICS)
def test_a_convolution_takes_the_statistics_of_batch_norm(cupy, monkeypatch, x, w, slices, tf32):
    monkeypatch.setattr(cuda_tiles, "BLOCKS", {1: 0, 2: 8, 4: 100}[slices])
    conv.plan.cache_clear()
    used = kernels_of(monkeypatch, conv, batchnorm)
    arrays = [in_tf32(numbers(s, *shape)) for s, shape in enumerate((x, w))]
    arrays += [numbers(2, w[0]), numbers(3, w[0]), numbers(4, w[0]) ** 2]
    found, expected = [], []
    for xp, dtype, answers in ((cupy, "float32", found), (np, "float64", expected)):
        given, kernel, gamma, beta, var = (xp.asarray(a, dtype=dtype) for a in arrays)
        mean = xp.zeros(w[0], dtype)
        with minires.tf32(tf32) if xp is cupy else minires.textbook():
            y = F.conv2d(given, kernel, None, 1, 2)
            z = F.batch_norm(y, mean, var, gamma, beta, True)
        answers.extend(to_numpy(a.data if isinstance(a, Tensor) else a) for a in (y, z, mean, var))
    conv.plan.cache_clear()
    assert used == ["correlate"]
    assert_same(found, expected, 5 * TOLERANCE)


@pytest.mark.parametrize("offset", [100.0, 3e4])
def test_statistics_of_a_convolution_far_from_0(cupy, offset):
    """As exact as its numbers are."""
    x = np.arange(200 * 49, dtype=np.float32).reshape(200, 1, 7, 7) % 251 / 256 + offset
    mean, var = cupy.zeros(1, "float32"), cupy.zeros(1, "float32")
    one = cupy.ones((1, 1, 1, 1), "float32")
    F.batch_norm(F.conv2d(cupy.asarray(x), one), mean, var, *cupy.ones((2, 1), "float32"), True, 1)
    exact = x.astype(np.float64)
    assert mean.item() == pytest.approx(exact.mean(), rel=1e-7)
    assert var.item() == pytest.approx(exact.var(ddof=1), rel=1e-5 if offset == 100 else 1e-3)


@pytest.mark.parametrize("why", ["looked at", "too many parts", "a bias"])
def test_statistics_that_a_convolution_does_not_take(cupy, monkeypatch, why):
    used = kernels_of(monkeypatch, conv, batchnorm)
    if why == "too many parts":
        monkeypatch.setattr(batchnorm, "_OF_A_CONVOLUTION", 1)

    def function(x, w, gamma, beta):
        y = F.conv2d(x, w, w[:, 0, 0, 0] if why == "a bias" else None)
        if why == "looked at":
            y.numpy()
        return F.batch_norm(y, None, None, gamma, beta, True)

    arrays = numbers(0, 33, 2, 5, 4), numbers(1, 4, 2, 3, 3), numbers(3, 4), numbers(4, 4)
    compare(cupy, function, *arrays)
    assert used[:2] == ["correlate", "moments"]


def test_a_convolution_with_weights_that_were_stepped_since_raises(cupy):
    x, w = (nn.Parameter(cupy.asarray(numbers(s, 2, 2, 3, 3))) for s in range(2))
    y, z = F.conv2d(x, w), F.conv2d(x, w)
    expected = z.numpy()
    w.grad = cupy.ones_like(w.data)
    minires.optim.SGD([w], 0.1).step()
    np.testing.assert_array_equal(z.numpy(), expected)
    with pytest.raises(minires.errors.GraphError, match=r"SGD.step has changed .*\(2, 2, 3, 3\)"):
        y.numpy()


@pytest.mark.parametrize("momentum", [0.3, 1])
@pytest.mark.parametrize("kind", ["both", "mean alone", "float64", "apart in memory"])
def test_batch_norm_moves_the_running_statistics(cupy, momentum, kind):
    """In its own kernel, or, of another type or with gaps, afterwards."""
    x, w, b = numbers(0, 6, 3, 4, 5, mean=2), np.ones(3, np.float32), np.zeros(3, np.float32)
    statistics = [numbers(1, 3), numbers(2, 3) ** 2]
    if momentum == 1:  # of which nothing must be left
        statistics[0][0], statistics[1][1] = np.nan, np.inf
    on_gpu = [cupy.asarray(s) for s in statistics]
    if kind == "mean alone":
        statistics[1] = on_gpu[1] = None
    if kind == "float64":
        on_gpu[1] = on_gpu[1].astype("float64")
    if kind == "apart in memory":
        on_gpu[0] = cupy.asarray(statistics[0].repeat(2))[::2]
    F.batch_norm(cupy.asarray(x), *on_gpu, cupy.asarray(w), cupy.asarray(b), True, momentum)
    with minires.textbook():
        F.batch_norm(x, *statistics, w, b, True, momentum)
    for moved, expected in zip(on_gpu, statistics, strict=True):
        if expected is not None:
            assert_same(moved.get(), expected, TOLERANCE)


def test_batch_norm_in_evaluation(cupy):
    mean, var = numbers(3, 4), numbers(4, 4) ** 2 + 0.1

    def evaluate(x, w, b):
        xp = cupy if isinstance(x.data, cupy.ndarray) else np
        statistics = (xp.asarray(s.astype(x.dtype)) for s in (mean, var))
        return F.batch_norm(x, *statistics, w, b)

    compare(cupy, evaluate, numbers(0, 5, 4, 3, 2), numbers(1, 4), numbers(2, 4))


def test_a_residual_block(cupy):
    """Lazy arrays from batch norm through the addition to the ReLU; ReLU masks on the way back."""

    def block(x, w1, w2, gamma, beta):
        y = F.relu(F.batch_norm(F.conv2d(x, w1, padding=1), None, None, gamma, beta, True))
        y = F.batch_norm(F.conv2d(y, w2, padding=1), None, None, gamma, beta, True)
        return F.relu(F.relu(y + x) + x)

    kernels = numbers(1, 4, 4, 3, 3), numbers(2, 4, 4, 3, 3)
    compare(cupy, block, numbers(0, 5, 4, 6, 5), *kernels, numbers(3, 4), numbers(4, 4))


def test_a_block_with_a_projection(cupy):
    def block(x, w1, w2, gamma, beta):
        y = F.batch_norm(F.conv2d(x, w1, stride=2, padding=1), None, None, gamma, beta, True)
        s = F.batch_norm(F.conv2d(x, w2, stride=2), None, None, gamma, beta, True)
        return F.relu(y + s)

    kernels = numbers(1, 5, 3, 3, 3), numbers(2, 5, 3, 1, 1)
    compare(cupy, block, numbers(0, 3, 3, 7, 6), *kernels, numbers(3, 5), numbers(4, 5))


@pytest.mark.parametrize("tf32", [False, True])
@pytest.mark.parametrize(
    ("x", "w", "stride", "padding"), [case for case in CONVOLUTIONS if case[0] != (1, 1, 1, 1)]
)
def test_a_convolution_of_a_relu_that_is_never_written(cupy, x, w, stride, padding, tf32):
    """Not even where the maps end: the padding is 0, and not the ReLU of a shift."""
    arrays = numbers(0, *x, mean=0.5), numbers(1, *w), numbers(2, x[1]), numbers(3, x[1])

    def function(x, w, gamma, beta):
        y = F.relu(F.batch_norm(x, None, None, gamma, beta, True))
        z = F.conv2d(y, w, None, stride, padding)
        assert z.dtype == np.float64 or not y.held.is_realized
        return z

    with minires.tf32(tf32):
        compare(cupy, function, *arrays, tolerance=2e-2 if tf32 else TOLERANCE)


@pytest.mark.parametrize("when", ["before", "after", "never"])
def test_a_lazy_relu_has_the_same_bits_whoever_computes_it(cupy, when):
    arrays = numbers(0, 5, 3, 6, 5), numbers(1, 4, 3, 3, 3), numbers(2, 3), numbers(3, 3)
    answers = []
    for now in (when, "before"):
        x, w, gamma, beta = (Tensor(cupy.asarray(a), requires_grad=True) for a in arrays)
        y = F.relu(F.batch_norm(x, None, None, gamma, beta, True))
        if now == "before":
            y.numpy()
        z = F.conv2d(y, w, padding=1)
        if now == "after":
            y.numpy()
        z.backward(cupy.asarray(cotangent(z)))
        answers.append([a.get() for a in (z.data, x.grad, w.grad, gamma.grad, beta.grad)])
    for got, expected in zip(*answers, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_a_lazy_relu_of_what_was_changed_since_raises(cupy):
    x = Tensor(cupy.asarray(numbers(0, 5, 3, 6, 5).transpose(1, 2, 3, 0))).permute(3, 0, 1, 2)
    gamma, beta, w = (cupy.ones(s, "float32") for s in (3, 3, (4, 3, 3, 3)))
    y = F.relu(F.batch_norm(x, None, None, gamma, beta, True))
    x.data -= 1
    with pytest.raises(minires.errors.GraphError, match=r"an assignment to .data has changed"):
        F.conv2d(y, w)


def test_sums_of_several_and_a_lazy_array_that_is_realized(cupy):
    def both(a, b, c):
        total = a + b + c
        looked_at = total.data.sum()
        return F.relu(total) + F.relu(total) * (1 + 0 * float(looked_at))

    compare(cupy, both, *(numbers(s, 2, 3, 4, 5) for s in range(3)))


def test_a_shortcut_without_parameters(cupy):
    compare(cupy, lambda x: F.relu(F.shortcut_a(x, 7, 2)), numbers(0, 5, 4, 7, 5))


def test_relu_of_nothing_lazy(cupy):
    x = numbers(0, 3, 2, 4, 5)
    compare(cupy, F.relu, x)
    x[0, 0, 0, :3] = [np.nan, np.inf, -0.0]
    y = F.relu(cupy.asarray(x)).numpy()
    assert np.isnan(y[0, 0, 0, 0])
    assert y[0, 0, 0, 1] == np.inf


def test_the_gradient_of_a_nan_passes_a_relu(cupy):
    """Alone, added to another gradient, and read by batch norm through the mask."""
    values = numbers(0, 3, 2, 4, 5)
    values[0, 0, 0, :3] = [np.nan, 0.0, -1.0]
    for function in (
        lambda x, w, b: F.relu(x) + b.sum(),
        lambda x, w, b: F.relu(x) + x + b.sum(),
        lambda x, w, b: F.relu(F.batch_norm(x, None, None, w, b, True)),
    ):
        answers = []
        for xp in (cupy, np):
            arrays = values, np.ones(2, np.float32), np.zeros(2, np.float32)
            x, w, b = (Tensor(xp.asarray(a), requires_grad=True) for a in arrays)
            y = function(x, w, b)
            y.backward(xp.asarray(cotangent(y)))
            answers.append([to_numpy(x.grad), to_numpy(b.grad)])
        for got, expected in zip(*answers, strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_max_pooling_of_minus_infinity_gives_the_gradient_to_pixels(cupy):
    x = Tensor(cupy.full((2, 3, 7, 6), -np.inf, np.float32), requires_grad=True)
    y = F.max_pool2d(x, 3, 2, 1)
    y.backward(cupy.ones(y.shape, np.float32))
    assert x.grad.get().sum() == y.size


POOLS = [((2, 3, 7, 6), 3, 2, 1), ((33, 2, 4, 4), 2, 2, 0), ((1, 4, 5, 9), (3, 2), (1, 3), (0, 1))]


@pytest.mark.parametrize(("shape", "kernel", "stride", "padding"), POOLS)
def test_max_pooling(cupy, shape, kernel, stride, padding):
    compare(cupy, lambda x: F.max_pool2d(x, kernel, stride, padding), numbers(0, *shape))


def test_max_pooling_of_equals_and_of_no_numbers(cupy):
    x = np.round(numbers(0, 3, 2, 6, 6))  # full of ties
    compare(cupy, lambda x: F.max_pool2d(x, 3, 2, 1), x)
    x[0, 0, 3, 3] = np.nan
    with minires.textbook():
        expected = F.max_pool2d(x, 3, 2, 1).numpy()
    np.testing.assert_array_equal(F.max_pool2d(cupy.asarray(x), 3, 2, 1).numpy(), expected)


@pytest.mark.parametrize("shape", [(2, 3, 7, 6), (33, 5, 1, 1)])
def test_global_average_pooling(cupy, shape):
    compare(cupy, F.global_avg_pool2d, numbers(0, *shape))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("shape", [(33, 10), (1, 2), (300, 4)])
def test_cross_entropy(cupy, shape, smoothing):
    labels = np.random.default_rng(1).integers(0, shape[1], shape[0])

    def loss(x):
        on_device = isinstance(x.data, cupy.ndarray)
        target = cupy.asarray(labels) if on_device else labels
        return F.cross_entropy(x, target, label_smoothing=smoothing)

    compare(cupy, loss, 20 * numbers(0, *shape))


def test_cross_entropy_of_a_class_of_probability_0(cupy):
    x = Tensor(cupy.asarray(np.array([[0, -np.inf, 1]], np.float32)), requires_grad=True)
    loss = F.cross_entropy(x, cupy.asarray([0]))
    loss.backward()
    assert loss.item() == pytest.approx(1.3132616875)
    assert np.isfinite(x.grad.get()).all()


def test_labels_that_are_no_class(cupy, monkeypatch):
    x, labels = Tensor(cupy.asarray(numbers(0, 3, 4)), requires_grad=True), cupy.asarray([0, 4, -1])
    with pytest.raises(minires.errors.LabelError, match="labels from -1 to 4; expected 0 to 3"):
        F.cross_entropy(x, labels)
    # In a capture the labels cannot be read.
    monkeypatch.setattr(kernels.cuda.loss.CudaCrossEntropy, "check", lambda *_: None)
    loss = F.cross_entropy(x, labels)
    loss.backward()
    assert np.isnan(loss.item())
    assert np.isnan(x.grad.get()).any(axis=1).tolist() == [False, True, True]


@pytest.mark.parametrize("in_memory", [False, True])
def test_sgd(cupy, in_memory):
    w, v, g = (numbers(s, 3, 5, 7) for s in range(3))
    on_gpu = [cupy.asarray(a) for a in (w, v, g)]
    rate = cupy.asarray(np.float32(0.3)) if in_memory else 0.3
    sgd = minires.optim.SGD([Tensor(on_gpu[0], requires_grad=True)], rate, 0.9, 0.01)
    sgd.velocities = [on_gpu[1]]
    sgd.parameters[0].grad = on_gpu[2]
    sgd.step()
    update(w, v, g, 0.3, 0.9, 0.01)
    for moved, expected in zip(on_gpu, (w, v, g), strict=True):
        assert_same(moved.get(), expected, TOLERANCE)


@pytest.mark.parametrize("in_memory", [False, True])
def test_sgd_without_momentum_and_decay_leaves_infinity_behind(cupy, in_memory):
    arrays = [np.inf, 1], [np.inf, -np.inf], [1, 2]
    w, v, g = (cupy.asarray(np.array(a, np.float32)) for a in arrays)
    rate = cupy.asarray(np.float32(0.5)) if in_memory else 0.5
    kernels.registered("cupy")[update_all]([(w, v, g)], rate, 0.0, 0.0)
    assert v.get().tolist() == [1, 2]
    assert w.get().tolist() == [np.inf, 0]


def test_a_lazy_result_of_what_was_stepped_since_raises(cupy):
    """An image of a batch of one lies as results do, so that its sum reads its own memory."""
    p = nn.Parameter(cupy.asarray(numbers(0, 1, 2, 3, 4)))
    sgd = minires.optim.SGD([p], 0.1)
    y, z = p + p, p + p
    p.grad = cupy.ones_like(p.data)
    expected = 2 * p.data.get()
    np.testing.assert_array_equal(z.data.get(), expected)
    sgd.step()
    np.testing.assert_array_equal(z.data.get(), expected)
    with pytest.raises(minires.errors.GraphError, match=r"SGD.step has changed .*\(2, 3, 4, 1\)"):
        y.data  # noqa: B018 - reading it computes it


def test_sgd_of_many_parameters_some_in_another_order_or_type(cupy):
    arrays = [[numbers([n, s], 2, n + 1) for s in range(3)] for n in range(130)]
    on_gpu = [[cupy.asarray(a) for a in three] for three in arrays]
    on_gpu[3][2] = cupy.asarray(np.ascontiguousarray(arrays[3][2].T)).T
    on_gpu[5] = [a.astype("float64") for a in on_gpu[5]]
    kernels.registered("cupy")[update_all](on_gpu, 0.3, 0.9, 0.01)
    update_all(arrays, 0.3, 0.9, 0.01)
    for moved, expected in zip(on_gpu, arrays, strict=True):
        for m, e in zip(moved, expected, strict=True):
            assert_same(m.get(), e, TOLERANCE)


def test_a_net(cupy):
    """A whole step of a residual net of every kind of operation, beside the textbook's."""
    minires.manual_seed(0)
    net = minires.models.cifar_resnet(8, in_channels=1, num_classes=4)
    weights = net.state_dict()
    images, labels = numbers(0, 5, 1, 8, 8), np.arange(5) % 4

    def step(net, images, labels):
        sgd = minires.optim.SGD(net.parameters(), 0.1, 0.9, 1e-4)
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        sgd.step()
        return loss.item(), net.state_dict()

    on_gpu = step(net.to(backend="cupy"), cupy.asarray(images), cupy.asarray(labels))
    with minires.textbook():
        again = minires.models.cifar_resnet(8, in_channels=1, num_classes=4)
        again.load_state_dict(weights)
        again.to(dtype=np.float64)
        expected = step(again, images.astype(np.float64), labels)
    assert abs(on_gpu[0] - expected[0]) < TOLERANCE
    for name, value in on_gpu[1].items():
        assert_same(value, expected[1][name], 1e-4)


def leaves_of_a_step(cupy, *hooks):
    """Leaves with gradients by every kernel that makes new ones, and by some that do not."""
    shapes = (3, 2, 5, 4), (4, 2, 3, 3), (4,), (4,), (4,), (5, 4), (5,), (3, 5), (3, 5)
    leaves = [
        Tensor(cupy.asarray(numbers(n, *shape)), requires_grad=True)
        for n, shape in enumerate(shapes)
    ]
    x, w, b, gamma, beta, v, c, d, e = leaves
    y = F.batch_norm(F.conv2d(x, w, b), None, None, gamma, beta, True)
    y = F.linear(F.global_avg_pool2d(F.relu(y)), v, c) + (d + e)
    with ExitStack() as stack:
        for hook in hooks:
            stack.enter_context(backward_hook(hook))
        (y * y).sum().backward(retain_graph=True)
    return leaves, y


def test_the_gradient_of_a_leaf_is_its_own_and_may_be_changed(cupy):
    """It is not copied where a kernel made it; a hook keeps what it saw, and so does a sum."""
    seen = []
    leaves, _ = leaves_of_a_step(cupy, lambda step: seen.extend(step.gxs))
    expected = [x.grad.get() for x in leaves]
    kept = [(g, g.get()) for g in seen if g is not None]
    for leaf in leaves:
        leaf.grad *= 2
    for g, before in kept:
        np.testing.assert_array_equal(g.get(), before)
    leaves, y = leaves_of_a_step(cupy)
    first = [x.grad for x in leaves]
    for n, g in enumerate(first):
        np.testing.assert_array_equal(g.get(), expected[n])
        g *= 0  # no other one changes
    y.backward(cupy.ones(y.shape, "float32"))
    assert not any(g.get().any() for g in first)
    assert leaves[1].grad.get().any()


def test_every_kernel_is_compared_here():
    """A new kernel must come with a comparison; then it is added to this list."""
    compared = {
        *("Conv2d", "Linear", "BatchNorm", "BatchNormInference", "Add", "ReLU", "Pad", "Index"),
        *("MaxPool2d", "GlobalAvgPool2d", "CrossEntropy", "add_gradients"),
        *("update_all", "training_batch"),
    }
    assert {reference.__name__ for reference in kernels.registered("cupy")} == compared


def test_float64_is_left_to_the_reference(cupy, monkeypatch):
    made = []
    monkeypatch.setattr(kernels.cuda.launch, "_kernel", made.append)
    x, w = (Tensor(cupy.zeros((3, 3, 4, 4)), requires_grad=True) for _ in range(2))
    F.relu(F.global_avg_pool2d(F.conv2d(x + x, w))).sum().backward()
    assert not made


@pytest.mark.parametrize("shift", [0, 2])
def test_batches_of_a_dataset_on_the_device(cupy, shift):
    """To the bit: the same order, crops and mirrors, whoever makes the batch."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (9, 3, 6, 5), np.uint8), rng.integers(0, 4, 9)
    dataset = Dataset("noise", images, labels, images, labels, tuple("abcd"), 255, shift, True)
    on_gpu = dataset.to("cupy")
    expected = list(dataset.training_batches(4, seed=1, epoch=2))
    for made in (list(on_gpu.training_batches(4, seed=1, epoch=2)), textbook(on_gpu)):
        for (x, y), (ex, ey) in zip(made, expected, strict=True):
            np.testing.assert_array_equal(x.get(), ex)
            np.testing.assert_array_equal(y.get(), ey)


def textbook(dataset):
    with minires.textbook():
        return list(dataset.training_batches(4, seed=1, epoch=2))
