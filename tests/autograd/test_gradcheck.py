"""The checker, checked: what it accepts, what raises, and that it changes nothing."""

import numpy as np
import pytest

from minires import Op, Tensor, gradcheck
from minires import functional as F
from minires.errors import DTypeError, GradientError, UsageError
from minires.inspect.gradchecks import cases
from minires.ops.batchnorm import BatchNorm


class Square(Op):
    """y = x², with whatever gradient it is given."""

    def __init__(self, gradient):
        self.gradient = gradient

    def forward(self, x):
        self.save(x)
        return x * x

    def backward(self, gy):
        return self.gradient(gy, *self.saved)


def square(gradient):
    return lambda x: Square(gradient)(x)


def leaf(values, dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


def off_in_one_element(gy, x):
    gx = 2 * x * gy
    gx[1, 0] *= 1.01
    return gx


WRONG = {
    "constant 999": lambda gy, x: np.full_like(x, 999),
    "missing": lambda gy, x: None,
    "zero": lambda gy, x: 0 * x,
    "negative": lambda gy, x: -2 * x * gy,
    "1.001 times": lambda gy, x: 2.002 * x * gy,
    "NaN": lambda gy, x: 2 * x * gy + np.nan,
    "NaN in one element": lambda gy, x: np.where(x == x.max(), np.nan, 2 * x * gy),
    "infinite": lambda gy, x: 2 * x * gy + np.inf,
    "one element": off_in_one_element,
    "cotangent forgotten": lambda gy, x: 2 * x,
    "elements exchanged": lambda gy, x: (2 * x * gy)[::-1],
}


def test_accepts_the_right_gradient_and_returns_a_small_error():
    assert 0 <= gradcheck(square(lambda gy, x: 2 * x * gy), [leaf([[1, 2], [3, -4]])]) < 1e-8


@pytest.mark.parametrize("how", WRONG)
@pytest.mark.parametrize("size", [1.0, 1e3, 1e-3, 1e-6])
def test_raises_for_a_wrong_gradient_of_any_size(how, size):
    x = leaf(np.array([[1, 2], [3, -4]]) * size)
    with pytest.raises(GradientError, match="input 0"):
        gradcheck(square(WRONG[how]), [x])


def test_raises_for_differences_that_are_infinite():
    """On the edge of what a float64 can hold, where one of the two sides overflows."""
    with np.errstate(all="ignore"), pytest.raises(GradientError, match="differences give"):
        gradcheck(lambda x: x.exp(), [leaf(np.log(np.finfo(np.float64).max))])


def test_names_the_input_and_the_element():
    x = leaf([[1, 2], [3, -4]])
    function = square(off_in_one_element)
    with pytest.raises(GradientError, match=r"input 1, element \(1, 0\): backward gives .* differ"):
        gradcheck(lambda a, b: a + function(b), [leaf([[1, 2], [3, 4]]), x])


def test_the_gradient_of_a_tiny_input_is_not_lost_beside_a_large_one():
    """The tolerance is a share of each input's own gradient."""

    class Product(Op):
        def forward(self, a, b):
            self.save(a, b)
            return a * b

        def backward(self, gy):
            a, b = self.saved
            return gy * b, gy * a * 1.001

    with pytest.raises(GradientError, match="input 1"):
        gradcheck(lambda a, b: Product()(a, b), [leaf([1e-3, 2e-3]), leaf([1e3, 2e3])])


@pytest.mark.parametrize("large", [1e3, 1e6, 1e9])
def test_the_gradient_of_a_small_element_is_not_lost_beside_a_large_one(large):
    """The tolerance is a share of each element's own gradient, not of the largest of the input."""
    x = leaf([large, 1])
    assert gradcheck(square(lambda gy, x: 2 * x * gy), [x], eps=1e-6 * large**0.5) < 1e-5
    with pytest.raises(GradientError, match=r"input 0, element \(1,\)"):
        gradcheck(square(lambda gy, x: 2 * x * gy * [1, 0.5]), [x], eps=1e-6 * large**0.5)


def test_the_rounding_of_outputs_that_do_not_depend_on_an_element_is_no_excuse():
    a, b = leaf([1e9]), leaf([1.0])
    halved = square(lambda gy, x: x * gy)
    with pytest.raises(GradientError, match="input 1"):
        gradcheck(lambda a, b: (a * a).sum() * [1.0, 0.0] + halved(b) * [0.0, 1.0], [a, b])


def test_accepts_a_gradient_that_differences_cannot_see():
    """A change of 4e-6 in 1e12, whose last digit is 1e-4; backward is right."""
    assert gradcheck(lambda x: (x * x).sum(), [leaf([1e6, 1])]) < 1e-5


def test_an_input_that_the_function_does_not_use_has_the_gradient_0():
    used, unused = leaf([1, 2]), leaf([3, 4])
    assert gradcheck(lambda a, b: a * a, [used, unused]) < 1e-8
    assert gradcheck(lambda a: Tensor(np.ones(2)), [unused]) == 0


def test_a_function_that_cuts_its_graph_raises():
    with pytest.raises(GradientError, match=r"input 0, .* backward gives no gradient, differences"):
        gradcheck(lambda a: a.detach() * 2, [leaf([3, 4])])


def test_raises_for_gradients_that_are_all_tiny_and_wrong():
    """An absolute tolerance would pass over them."""
    with pytest.raises(GradientError, match="input 0"):
        gradcheck(square(lambda gy, x: -2 * x * gy), [leaf([1e-8, -2e-8])])


def test_the_cotangent_is_not_an_input_drawn_with_the_same_seed(monkeypatch):
    """Batch norm's gradient along its own input is 0, whatever its backward does to it."""
    x = leaf(np.random.default_rng(0).standard_normal((6, 2)))
    backward = BatchNorm.backward

    def broken(op, gy):
        gx, gw, gb = backward(op, gy)
        return -gx, gw, gb

    monkeypatch.setattr(BatchNorm, "backward", broken)
    w, b = Tensor(np.ones(2)), Tensor(np.zeros(2))
    with pytest.raises(GradientError, match="input 0"):
        gradcheck(lambda x: F.batch_norm(x, None, None, w, b, True, eps=1e-9), [x])


def test_accepts_gradients_that_are_all_zero():
    assert gradcheck(lambda x: (x - x) * 1e3, [leaf([1, 2])]) == 0
    assert gradcheck(lambda x: x**3, [leaf([0, 0])]) < 1e-3


def test_inputs_without_a_gradient_are_passed_over():
    fixed = Tensor(np.array([2.0, 3.0]))
    gradcheck(lambda a, b: a * b, [fixed, leaf([1, 2])])
    assert fixed.grad is None


@pytest.mark.parametrize(
    "inputs",
    [
        [leaf([1, 2], np.float32)],
        [leaf([1, 2]), leaf([1, 2], np.float32)],
        [Tensor(np.array([1.0, 2.0]))],
        [],
    ],
    ids=["float32", "one of two float32", "no gradient wanted", "nothing"],
)
def test_raises_for_what_it_cannot_check(inputs):
    with pytest.raises(DTypeError, match="gradcheck needs float64 inputs with requires_grad=True"):
        gradcheck(lambda *xs: sum(xs[1:], xs[0]), inputs)


def test_an_input_that_an_operation_made_raises():
    """Backward leaves no gradient there, which is no fault of the function."""
    with pytest.raises(UsageError, match=r"needs leaf tensors, got one that Mul made; detach\(\)"):
        gradcheck(lambda x: x * x, [leaf([1, 2]) * 2])


@pytest.mark.parametrize("case", cases(), ids=lambda c: f"{c.op.__name__}-{c.label}")
def test_leaves_the_inputs_as_they_were(case):
    arrays = [x.data for x in case.inputs]
    copies = [a.copy() for a in arrays]
    for a in arrays:
        a.flags.writeable = False
    gradcheck(case.function, case.inputs)
    assert all(x.data is a for x, a in zip(case.inputs, arrays, strict=True))
    assert all((a == c).all() for a, c in zip(arrays, copies, strict=True))


def test_the_inputs_are_put_back_even_when_the_function_fails():
    x = leaf([1, 2])
    data, calls = x.data, iter([False, True])

    def fails_the_second_time(x):
        if next(calls):
            raise RuntimeError("no")
        return x * x

    with pytest.raises(RuntimeError, match="no"):
        gradcheck(fails_the_second_time, [x])
    assert x.data is data


def test_gradients_left_from_before_do_not_count():
    x = leaf([1, 2])
    (x * x).sum().backward()
    gradcheck(lambda x: x * x, [x])


def test_the_same_seed_draws_the_same_cases():
    for a, b in zip(cases(3), cases(3), strict=True):
        assert all((x.data == y.data).all() for x, y in zip(a.inputs, b.inputs, strict=True))
    assert any(
        (x.data != y.data).any()
        for a, b in zip(cases(3), cases(4), strict=True)
        for x, y in zip(a.inputs, b.inputs, strict=True)
    )


def test_a_function_must_return_a_tensor():
    x = Tensor(np.ones(2), requires_grad=True)
    with pytest.raises(UsageError, match="returns a Tensor, got float64"):
        gradcheck(lambda x: x.numpy().sum(), [x])
