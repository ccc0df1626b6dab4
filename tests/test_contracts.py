"""What holds for every operation: types, memory layouts, and that nothing given is changed."""

import numpy as np
import pytest
from oracles import LAYOUTS, assert_same, cotangent, laid_out, run

from minires import Tensor, no_grad
from minires.inspect.gradchecks import cases

each_case = pytest.mark.parametrize("case", cases(), ids=lambda c: f"{c.op.__name__}-{c.label}")


def arrays(case, dtype=np.float64):
    return [x.data.astype(dtype) for x in case.inputs]


@each_case
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_type_in_is_type_out_and_nothing_is_changed(case, dtype):
    y, gradients, _ = run(case.function, *arrays(case, dtype))
    assert y.dtype == dtype
    assert all(g.dtype == dtype for g in gradients)


@each_case
def test_float32_is_float64_up_to_rounding(case):
    y32, g32, _ = run(case.function, *arrays(case, np.float32))
    y64, g64, _ = run(case.function, *arrays(case))
    assert_same([y32, *g32], [y64, *g64], tolerance=1e-5)


@each_case
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_memory_layout_changes_nothing(case, layout):
    expected = run(case.function, *arrays(case))
    inputs = [laid_out(a, layout) for a in arrays(case)]
    got = run(case.function, *inputs)
    assert_same(got[0], expected[0], tolerance=1e-13)
    assert_same(got[1], expected[1], tolerance=1e-13)


@each_case
def test_the_layout_of_the_cotangent_changes_nothing(case):
    def gradients(layout):
        xs = [Tensor(a, requires_grad=True) for a in arrays(case)]
        y = case.function(*xs)
        y.backward(laid_out(cotangent(y), layout))
        return [x.grad for x in xs]

    for layout in LAYOUTS:
        assert_same(gradients(layout), gradients("C"), tolerance=1e-13)


@each_case
def test_recording_changes_no_result_and_no_grad_records_nothing(case):
    with_graph = case.function(*case.inputs)
    with no_grad():
        without = case.function(*case.inputs)
    np.testing.assert_array_equal(with_graph.data, without.data)
    assert with_graph.op is not None
    assert without.op is None
    assert not without.requires_grad


@each_case
def test_a_gradient_wanted_of_one_input_only_is_the_same(case):
    _, expected, gy = run(case.function, *arrays(case))
    for i, wanted in enumerate(expected):
        xs = [Tensor(a, requires_grad=(i == k)) for k, a in enumerate(arrays(case))]
        case.function(*xs).backward(gy)
        assert_same(xs[i].grad, wanted, tolerance=0)
        assert all(x.grad is None for k, x in enumerate(xs) if k != i)
