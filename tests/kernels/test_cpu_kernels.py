"""Every kernel for the CPU against the reference: outputs and gradients, both dtypes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines import machine
from oracles import LAYOUTS, assert_same, cotangent, laid_out, run

import minires
from minires import Tensor, kernels, no_grad
from minires import functional as F
from minires.models import cifar_plain, cifar_resnet
from minires.ops.update import update, update_all
from minires.optim import SGD

TOLERANCE = {np.float32: 2e-5, np.float64: 1e-11}
dtypes = st.sampled_from([np.float32, np.float64])


@pytest.fixture(params=["as they are", "cut small"], autouse=True)
def sizes(request):
    """Once as users have it, once with so small pieces that small arrays are cut and shared."""
    with machine(3, tiny=request.param == "cut small"):
        yield


def numbers(seed, shape, dtype=np.float64, mean=0.0):
    return np.asarray(np.random.default_rng(seed).normal(size=shape) + mean).astype(dtype)


def compare(function, *arrays, tolerance=None, layout="C"):
    """`function` of the arrays, run fast, is what the textbook makes of them in float64."""
    dtype = next(a for a in arrays if a is not None).dtype.type
    given_to = [None if a is None else laid_out(a, layout) for a in arrays]
    y, gradients, _ = run(function, *given_to)
    with minires.textbook():
        exact = [None if a is None else a.astype(np.float64) for a in arrays]
        expected, expected_gradients, _ = run(function, *exact)
    tolerance = tolerance or TOLERANCE[dtype]
    assert y.dtype == dtype
    assert_same(y, expected, tolerance)
    for g, e in zip(gradients, expected_gradients, strict=True):
        if g is not None:
            assert_same(g, e, tolerance)


@st.composite
def convolutions(draw):
    pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
    C, O = draw(st.sampled_from([1, 2, 3, 7, 16, 24])), draw(st.sampled_from([1, 2, 5, 16, 24]))
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    stride, padding = draw(pairs), draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    H, W = (draw(st.integers(max(1, k - 2 * p), 9)) for k, p in zip(kernel, padding, strict=True))
    shapes = (draw(st.integers(1, 5)), C, H, W), (O, C, *kernel)
    return shapes, stride, padding, draw(st.booleans())


@given(convolutions(), dtypes, st.sampled_from(list(LAYOUTS)), st.integers(0, 9))
def test_convolution(sizes_of, dtype, layout, seed):
    (x, w), stride, padding, with_bias = sizes_of
    b = numbers([seed, 2], w[:1], dtype) if with_bias else None
    arrays = numbers([seed, 0], x, dtype), numbers([seed, 1], w, dtype), b
    compare(lambda x, w, b: F.conv2d(x, w, b, stride, padding), *arrays, layout=layout)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("x", "w", "stride", "padding"),
    [
        ((13, 16, 32, 32), (16, 16, 3, 3), 1, 1),  # shared among threads, products cut
        ((9, 32, 16, 16), (64, 32, 3, 3), 2, 1),
        ((3, 3, 45, 37), (8, 3, 7, 7), 2, 3),
        ((2, 160, 7, 7), (130, 160, 3, 3), 1, 1),  # too large for the small kernels
        ((1, 64, 8, 8), (64, 64, 1, 1), 2, 0),
    ],
)
def test_convolution_at_the_sizes_of_nets(x, w, stride, padding, dtype):
    compare(
        lambda x, w: F.conv2d(x, w, None, stride, padding),
        numbers(0, x, dtype),
        numbers(1, w, dtype),
        tolerance=1e-4 if dtype == np.float32 else None,
    )


@given(*(st.integers(1, 40) for _ in "NIO"), st.booleans(), dtypes, st.integers(0, 9))
def test_linear(N, I, O, bias, dtype, seed):
    b = numbers([seed, 2], O, dtype) if bias else None
    compare(F.linear, numbers([seed, 0], (N, I), dtype), numbers([seed, 1], (O, I), dtype), b)


@pytest.mark.parametrize(("N", "I", "O"), [(1, 2048, 1000), (64, 512, 1001)])
def test_linear_at_the_sizes_of_nets(N, I, O):
    compare(F.linear, numbers(0, (N, I)), numbers(1, (O, I)), numbers(2, O))


def normalised(x, w, b):
    """Batch norm, of maps that a convolution has made: then its result is lazy."""
    C = x.shape[1]
    x = F.conv2d(x, np.eye(C, dtype=x.dtype)[:, :, None, None])
    return F.batch_norm(x, None, None, w, b, training=True)


def evaluated(x, w, b):
    """Batch norm as in evaluation, of maps that a convolution has made."""
    C = x.shape[1]
    mean, var = numbers(7, C, x.dtype), numbers(8, C, x.dtype) ** 2 + 0.1
    x = F.conv2d(x, np.eye(C, dtype=x.dtype)[:, :, None, None])
    return F.batch_norm(x, mean, var, w, b)


CHAINS = {
    "evaluation": lambda x, w, b: F.relu(evaluated(x, w, b) + evaluated(x, b, w)),
    "batch norm": normalised,
    "of a user's array": lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
    "relu": lambda x, w, b: F.relu(normalised(x, w, b)),
    "join": lambda x, w, b: F.relu(normalised(x, w, b) + F.relu(x + 0)),
    "two joins": lambda x, w, b: F.relu(
        (y := F.relu(normalised(x, w, b) + normalised(x, b, w))) + normalised(y, w, b)
    ),
    "join without relu": lambda x, w, b: normalised(x, w, b) + normalised(x, b, w),
    "used twice": lambda x, w, b: (y := normalised(x, w, b)) * F.relu(y),
    "sum of gradients": lambda x, w, b: normalised(y := F.relu(normalised(x, w, b)), w, b) * y,
}


@pytest.mark.parametrize("name", CHAINS)
@given(
    st.tuples(*(st.integers(1, 6) for _ in range(4))).filter(lambda s: s[0] * s[2] * s[3] > 4),
    st.integers(0, 9),
)
def test_chains_of_batch_norm_residual_addition_and_relu(name, shape, seed):
    C = shape[1:2]
    arrays = numbers([seed, 0], shape), numbers([seed, 1], C), numbers([seed, 2], C)
    compare(CHAINS[name], *arrays, tolerance=1e-9)


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_chains_in_float32_and_every_layout(name, layout):
    arrays = numbers(0, (9, 6, 7, 5), np.float32), numbers(1, (6,), np.float32)
    compare(CHAINS[name], *arrays, numbers(2, (6,), np.float32), tolerance=1e-4, layout=layout)


def test_batch_norm_keeps_its_digits_where_the_mean_is_large():
    x = numbers(0, (8, 4, 16, 16), np.float32, mean=1000)
    w, b = numbers(1, (4,), np.float32), numbers(2, (4,), np.float32)
    compare(CHAINS["of a user's array"], x, w, b, tolerance=1e-3)
    op = minires.ops.batchnorm.BatchNorm()
    op(Tensor(x), w, b)
    np.testing.assert_allclose(op.var, x.astype(np.float64).var(axis=(0, 2, 3)), rtol=1e-5)


@given(
    st.tuples(*(st.integers(1, n) for n in (4, 5, 9, 9))),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.integers(0, 9),
)
def test_max_pooling_finds_the_first_of_equals(shape, kernel, stride, seed):
    padding = tuple(k // 2 for k in kernel)
    x = np.random.default_rng(seed).integers(-2, 3, shape).astype(np.float64)  # many equals
    if all(k <= n + 2 * p for k, n, p in zip(kernel, shape[2:], padding, strict=True)):
        compare(lambda x: F.max_pool2d(x, kernel, stride, padding), x)


def test_max_pooling_gives_the_losers_nothing_of_an_infinite_gradient():
    x = Tensor(np.arange(4.0).reshape(1, 1, 2, 2), requires_grad=True)
    F.max_pool2d(x, 2).backward(np.full((1, 1, 1, 1), np.inf))
    np.testing.assert_array_equal(x.grad.ravel(), [0, 0, 0, np.inf])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy(dtype, smoothing):
    labels = np.random.default_rng(0).integers(0, 7, 11)
    compare(
        lambda x: F.cross_entropy(x, labels, label_smoothing=smoothing),
        100 * numbers(0, (11, 7), dtype),
    )


def test_the_shortcut_without_parameters():
    x = numbers(0, (3, 4, 7, 6))
    compare(lambda x: F.shortcut_a(x, 9, 2), x)
    compare(lambda x: F.pad(x, (1, 0, 2, 1, 0, 3, 1, 0), value=2.5), x)
    compare(lambda x: x[1:, :, ::-2, 1], x)


@pytest.mark.parametrize("shape", [(), (5,), (40,), (6, 5, 3, 3)])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("momentum", "decay"), [(0.9, 1e-4), (0.9, 0), (0, 1e-4), (0, 0)])
def test_the_update_is_the_references_to_the_bit(shape, order, momentum, decay):
    w, v, g = (np.array(numbers(i, shape, np.float32), order=order) for i in range(3))
    expected = [w.copy("K"), v.copy("K")]
    update(*expected, g, 0.1, momentum, decay)
    kernels.registered("numpy")[update_all]([(w, v, g)], 0.1, momentum, decay)
    np.testing.assert_array_equal(w, expected[0])
    np.testing.assert_array_equal(v, expected[1])


def test_an_update_without_momentum_and_decay_leaves_infinity_behind():
    w, v, g = (np.array([x, 1.0]) for x in (np.inf, -np.inf, 3))
    kernels.registered("numpy")[update_all]([(w, v, g)], 0.5, 0.0, 0.0)
    assert v.tolist() == [3, 1]
    assert w.tolist() == [np.inf, 0.5]


def test_every_kernel_is_compared_here():
    """A new kernel must come with a comparison; then it is added to this list."""
    compared = {
        "Conv2d",
        "BatchNorm",
        "BatchNormInference",
        "Add",
        "ReLU",
        "MaxPool2d",
        "CrossEntropy",
        "Linear",
        "Pad",
        "Index",
    }
    registered = {reference.__name__ for reference in kernels.registered("numpy")}
    assert registered == compared | {"update_all", "add_gradients"}


# --- whole nets ---------------------------------------------------------------------------------

NETS = {
    "resnet20": lambda: cifar_resnet(20),
    "plain20": lambda: cifar_plain(20),
    "resnet8, B": lambda: cifar_resnet(8, shortcut="B"),
    "resnet8, C": lambda: cifar_resnet(8, shortcut="C"),
}


def trained(make, steps):
    """State and gradients after some steps in float64."""
    minires.manual_seed(0)
    net = make().to(dtype=np.float64)
    optimiser = SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    x, labels = numbers(0, (4, 3, 16, 16)), np.arange(4)
    for _ in range(steps):
        net.zero_grad()
        loss = F.cross_entropy(net(x), labels)
        loss.backward()
        optimiser.step()
    net.eval()
    with no_grad():
        tested = net(x).data
    gradients = {name: p.grad for name, p in net.named_parameters()}
    return {"loss": loss.data, "tested": tested, **net.state_dict()}, gradients


@pytest.mark.parametrize("net", NETS)
def test_a_net_trains_as_in_the_reference(net):
    fast = trained(NETS[net], steps=3)
    with minires.textbook():
        textbook = trained(NETS[net], steps=3)
    for got, expected in zip(fast, textbook, strict=True):
        assert got.keys() == expected.keys()
        for name in got:
            assert_same(got[name], expected[name], 1e-8)


def walked(net, x, look):
    """The ops of the book in their order, and the gradients; each step looked at, or not."""
    net.zero_grad()
    loss = F.cross_entropy(net(x), np.arange(len(x)))
    steps = []
    for step in loss.backward_steps():
        steps.append((step.op.name, step.op.path))
        if look:
            assert isinstance(step.gy, np.ndarray)
            assert all(g is None or isinstance(g, np.ndarray) for g in step.gxs)
    return steps, [p.grad for p in net.parameters()]


def test_stepping_shows_the_operations_of_the_reference_and_looking_changes_no_bit():
    net, x = cifar_resnet(8), numbers(0, (4, 3, 16, 16), np.float32)
    steps, gradients = walked(net, x, look=False)
    steps_seen, gradients_seen = walked(net, x, look=True)
    with minires.textbook():
        steps_of_the_book, _ = walked(net, x, look=True)
    assert steps == steps_seen == steps_of_the_book
    for a, b in zip(gradients, gradients_seen, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_replaced_gradient_is_handed_on_instead():
    def gradient(at_relu):
        x = Tensor(numbers(0, (2, 3, 4, 4)), requires_grad=True)
        y = CHAINS["two joins"](x, numbers(1, (3,)), numbers(2, (3,)))
        for step in y.backward_steps(cotangent(y)):
            if at_relu and step.op.name == "ReLU":
                step.gxs[0] = 2 * step.gxs[0]
        return x.grad

    fast, plain = gradient(at_relu=True), gradient(at_relu=False)
    with minires.textbook():
        assert_same(fast, gradient(at_relu=True), 1e-9)
    assert not np.allclose(fast, plain)


def test_what_a_lazy_array_can_be_made_from_raises_when_written_to():
    x = F.conv2d(numbers(0, (2, 3, 4, 4)), numbers(1, (3, 3, 1, 1)))
    with pytest.raises(ValueError, match="read-only"):
        x.data[...] = 0
    own = numbers(2, (2, 3, 4, 4))
    y = F.batch_norm(Tensor(own), None, None, np.ones(3), np.zeros(3), training=True)
    expected = y.data.copy()
    own[...] = 0  # a user's own array stays theirs
    np.testing.assert_array_equal(F.relu(y).data, np.maximum(expected, 0))
