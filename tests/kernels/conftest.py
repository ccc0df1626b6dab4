"""Here the fast operations are tried, even where the rest of the suite runs by the textbook."""

import pytest
from machines import machine

import minires


@pytest.fixture(autouse=True, scope="module")
def fast():
    with machine(minires.get_num_threads(), tiny=False):
        yield
