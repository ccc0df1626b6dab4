"""Kernels and reference over a grid of special values and of sizes, outputs and gradients.

Where the reference has a number, the kernel has the same; where it has none, the kernel has none.
Which of NaN and the infinities it is may differ where signs meet in a sum.
"""

import itertools

import numpy as np
import pytest
from machines import machine

from minires import MiniresError, Tensor, textbook
from minires import functional as F
from minires.errors import ShapeError

VALUES = ["0", "-0", "1", "nan", "inf", "-inf", "denormal", "-denormal", "huge", "-huge"]
SIZES = {"N": 2, "C": 3, "H": 5, "W": 4, "O": 2, "k": 3, "l": 3}


def number(name, dtype):
    """A value of VALUES; a huge one is exact in a mean of a few, and its square overflows."""
    own = {
        "denormal": np.finfo(dtype).smallest_subnormal,
        "huge": 2.0 ** (70 if dtype == np.float32 else 520),
    }
    size = own.get(name.lstrip("-"))
    return dtype(name) if size is None else dtype(-size if name[0] == "-" else size)


def made(x):
    """x, as an operation has made it: so that lazy arrays can be made from it."""
    return F.pad(x, (0, 0))


def loss(smoothing):
    return lambda x: F.cross_entropy(x, np.arange(len(x)) % 2, label_smoothing=smoothing)


def weighted(x):
    weight = np.linspace(0, 1, x.shape[1]).astype(x.dtype)
    return F.cross_entropy(x, np.arange(len(x)) % 2, weight, reduction="none")


def evaluated(x, w, b):
    return F.batch_norm(made(x), np.full(w.shape, 0.5), np.full(w.shape, 2.0), w, b)


def trained(x, w, b):
    return F.batch_norm(made(x), None, None, w, b, training=True)


MAPS, KERNEL = "NCHW", "OCkl"
FUNCTIONS = {  # and the sizes of the inputs, by the letters of SIZES
    "relu": (lambda x: F.relu(made(x)), MAPS),
    "addition": (lambda a, b: made(a) + made(b), MAPS, MAPS),
    "residual addition": (lambda a, b: F.relu((h := made(a)) + made(b)) + h, MAPS, MAPS),
    "max pooling": (lambda x: F.max_pool2d(x, 3, 2, 1), MAPS),
    "average pooling": (lambda x: F.avg_pool2d(x, 3, 2, 1), MAPS),
    "global average": (F.global_avg_pool2d, MAPS),
    "convolution": (lambda x, w, b: F.conv2d(x, w, b, 1, 1), MAPS, KERNEL, "O"),
    "convolution, stride 2": (lambda x, w: F.conv2d(x, w, None, 2, 1), MAPS, KERNEL),
    "convolution, no padding": (lambda x, w: F.conv2d(x, w), MAPS, KERNEL),
    "batch norm": (trained, MAPS, "C", "C"),
    "batch norm and relu": (lambda *xs: F.relu(trained(*xs)), MAPS, "C", "C"),
    "batch norm in evaluation": (evaluated, MAPS, "C", "C"),
    "linear": (F.linear, "NC", "OC", "O"),
    "cross-entropy": (loss(0), "NC"),
    "cross-entropy, smoothing 0.1": (loss(0.1), "NC"),
    "cross-entropy, smoothing 1": (loss(1), "NC"),
    "cross-entropy, weighted": (weighted, "NC"),
    "log-softmax": (F.log_softmax, "NC"),
    "pad": (lambda x: F.pad(x, (1, 0, 2, 1)), MAPS),
    "shortcut A": (lambda x: F.shortcut_a(x, 6, 2), MAPS),
    "flatten": (lambda x: x.flatten(1), MAPS),
    "product": (lambda a, b: a @ b, "NC", "CO"),
    "sum": (lambda x: x.sum(1), "NC"),
    "mean": (lambda x: x.mean(1), "NC"),
    "maximum": (lambda x: x.max(1).values, "NC"),
    "minimum": (lambda x: x.min(1).values, "NC"),
    "root": (lambda x: x.abs().sqrt(), "NC"),
    "absolute value": (lambda x: x.abs(), "NC"),
    "power of 2": (lambda x: 2**x, "NC"),
    "softmax": (F.softmax, "NC"),
    "joined": (lambda *xs: F.cat(xs, dim=1), "NC", "NO"),
    "elements": (lambda a, b: (a * b - a).exp() / b, "NC", "C"),
}


def answers(function, arrays, first_of_gy=None):
    """The output and the gradients, or the kind of the error."""
    xs = [Tensor(a.copy(), requires_grad=True) for a in arrays]
    try:
        y = function(*xs)
        gy = np.random.default_rng(9).normal(size=y.shape).astype(y.dtype)
        if first_of_gy is not None:
            gy.flat[:1] = first_of_gy
        y.backward(gy)
    except MiniresError as error:
        return type(error)
    return [y.numpy(), *(x.grad for x in xs)]


def compare(what, function, arrays, first_of_gy=None):
    got = answers(function, arrays, first_of_gy)
    with textbook():
        expected = answers(function, arrays, first_of_gy)
    if isinstance(got, type) or isinstance(expected, type):
        assert got is expected, what
        return
    for n, (a, b) in enumerate(zip(got, expected, strict=True)):
        place = f"{what}: {'the output' if n == 0 else f'gradient {n - 1}'}"
        assert a.shape == b.shape, place
        assert a.dtype == b.dtype, place
        numbers = np.isfinite(b)
        np.testing.assert_array_equal(np.isfinite(a), numbers, err_msg=place)
        scale = np.abs(b[numbers]).max(initial=0) * (1e-4 if b.dtype == np.float32 else 1e-11)
        tolerance = max(scale, 8 * np.finfo(b.dtype).smallest_subnormal)  # a few last digits
        assert (np.abs(a[numbers] - b[numbers]) <= tolerance).all(), place


def drawn(sizes, dtype, **changed):
    shapes = [tuple({**SIZES, **changed}[letter] for letter in letters) for letters in sizes]
    return [np.random.default_rng(s).normal(size=n).astype(dtype) for s, n in enumerate(shapes)]


@pytest.mark.parametrize("tiny", [False, True], ids=["", "tiny pieces"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values(name, dtype, tiny):
    """One element of an input, all of it, all of all inputs, and one of the incoming gradient."""
    function, *sizes = FUNCTIONS[name]
    constant_and_huge = "batch norm" in name and "evaluation" not in name
    with machine(2, tiny), np.errstate(all="ignore"):
        for value in VALUES:
            special, arrays = number(value, dtype), drawn(sizes, dtype)
            compare(f"gy {value}", function, arrays, special)
            filled = [np.full_like(a, special) for a in arrays]
            for i, a in enumerate(arrays):
                for place in (0, a.size - 1):
                    one = a.copy()
                    one.flat[place] = special
                    compare(f"{value} in {i} at {place}", function, swapped(arrays, i, one))
                # The rounding of a huge mean is divided by itself: any answer is as good.
                if not (constant_and_huge and "huge" in value and i == 0):
                    compare(f"{value} all over {i}", function, swapped(arrays, i, filled[i]))
            if not (constant_and_huge and "huge" in value):
                compare(f"{value} everywhere", function, filled)


def swapped(arrays, i, other):
    return [*arrays[:i], other, *arrays[i + 1 :]]


@pytest.mark.parametrize("tiny", [False, True], ids=["", "tiny pieces"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_sizes_of_0_and_1(name, tiny):
    """Every size, and every two of them; an error is one of minires, and the same."""
    function, *sizes = FUNCTIONS[name]
    letters = sorted(set("".join(sizes)))
    changes = [*itertools.combinations(letters, 1), *itertools.combinations(letters, 2)]
    with machine(2, tiny):
        for small, changed in itertools.product((0, 1), changes):
            arrays = drawn(sizes, np.float32, **dict.fromkeys(changed, small))
            compare(f"{', '.join(changed)} = {small}", function, arrays)


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if not n.startswith("cross-entropy")])
def test_a_batch_of_no_images_gives_none(name):
    """But batch norm cannot take statistics of it, and a loss no mean."""
    function, *sizes = FUNCTIONS[name]
    arrays = drawn(sizes, np.float32, N=0)
    if name in ("batch norm", "batch norm and relu"):
        assert answers(function, arrays) is ShapeError
        return
    y, *gradients = answers(function, arrays)
    assert y.shape[0] == 0
    assert [g.shape for g in gradients] == [a.shape for a in arrays]
    assert not any(g.any() for g in gradients)
