"""Where the first NaN came from."""

import inspect

import numpy as np
import pytest

from minires import Tensor, detect_anomaly, nn
from minires.errors import NonFiniteError


def leaf(*values):
    return Tensor(np.array(values), requires_grad=True)


def message_of(function):
    with pytest.raises(NonFiniteError) as caught, np.errstate(all="ignore"), detect_anomaly():
        function()
    return str(caught.value)


def test_names_the_op_that_made_it_and_its_line():
    line = inspect.currentframe().f_lineno + 1
    said = message_of(lambda: leaf(1.0, -1.0).log() * 2)
    assert said.startswith("Log (")
    assert f"test_anomaly.py:{line})" in said
    assert said.endswith("was made by it")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_says_that_an_op_was_given_it(bad):
    said = message_of(lambda: leaf(1.0, 2.0) + leaf(1.0, bad))
    assert said.startswith("Add (")
    assert said.endswith("was already in its input b")
    x = leaf(bad)
    assert message_of(lambda: x + x).endswith("was already in its input a and b")


def test_an_infinity_is_seen():
    assert "was made by it" in message_of(lambda: leaf(1e3).exp())
    assert "was made by it" in message_of(lambda: leaf(1.0) / leaf(0.0))


def test_names_the_module():
    net = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Linear(2, 2)))
    net[1][0].weight.data[:] = np.nan
    said = message_of(lambda: net(np.ones((1, 2), np.float32)))
    assert said.startswith("Linear (1.0, ")
    assert "was already in its input w" in said


def test_finite_numbers_pass_and_outside_nothing_is_raised():
    with detect_anomaly():
        (leaf(1.0, 2.0).log() * 2).sum().backward()
    with np.errstate(all="ignore"):
        assert np.isnan(leaf(-1.0).log().numpy()).all()
    message_of(lambda: leaf(np.nan) * 1)
    assert np.isnan((leaf(np.nan) * 1).numpy()).all(), "still watching after an error"


def test_without_a_graph_too():
    assert "Log" in message_of(lambda: Tensor([-1.0]).log())


# --- backward -----------------------------------------------------------------------------


def test_a_gradient_that_a_backward_spoils_is_named():
    x = leaf(0.0, 4.0)
    said = message_of(lambda: (x**0.5).sum().backward())
    assert said.startswith("backward of Pow (")
    assert "gave its input x a NaN or an infinity" in said
    assert said.endswith("was made by it")


def test_a_gradient_that_came_in_spoilt_is_not_the_operations_fault():
    x = leaf(1.0, 2.0)
    said = message_of(lambda: (x * 3.0).backward([np.nan, 1.0]))
    assert said.startswith("backward of Mul (")
    assert said.endswith("was already in the gradient it was given")
