"""Every operation on a device: its gradient check, and the numbers that NumPy gives."""

import numpy as np
import pytest
from oracles import assert_same

from minires import Tensor
from minires.autograd.gradcheck import gradcheck
from minires.backend import backend_name, move, to_numpy, use
from minires.inspect.gradchecks import cases

NAMES = [(case.op.__name__, case.label) for case in cases()]
each_case = pytest.mark.parametrize("i", range(len(NAMES)), ids=[" ".join(n) for n in NAMES])


def run(backend, i, dtype):
    """The output of a case and its gradients, as NumPy arrays; all are on the backend before."""
    with use(backend):
        case = cases()[i]
        given = [t.data.astype(dtype) for t in case.inputs]
        xs = [
            Tensor(a, requires_grad=t.requires_grad)
            for a, t in zip(given, case.inputs, strict=True)
        ]
        y = case.function(*xs)
        rng = np.random.default_rng([0, 314159])
        y.backward(move(np.asarray(rng.normal(size=y.shape)).astype(dtype), backend))
    assert {backend_name(a) for a in (*given, y.data)} == {backend}
    gradients = [x.grad for x in xs if x.requires_grad]
    assert all(backend_name(g) == backend and g.dtype == dtype for g in gradients)
    return [to_numpy(y.data), *map(to_numpy, gradients)]


@each_case
def test_the_gradient_is_that_of_differences(cupy, i):
    with use("cupy"):
        case = cases()[i]
        assert all(backend_name(x.data) == "cupy" for x in case.inputs)
        gradcheck(case.function, case.inputs)


@each_case
@pytest.mark.parametrize(("dtype", "rounding"), [(np.float32, 1e-5), (np.float64, 1e-12)])
def test_the_numbers_are_numpys(cupy, i, dtype, rounding):
    assert_same(run("cupy", i, dtype), run("numpy", i, dtype), tolerance=rounding)
