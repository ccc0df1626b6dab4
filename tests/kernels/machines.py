"""The kernels as on other machines: with more threads, or with tiny pieces."""

from contextlib import contextmanager

import pytest
from hypothesis import strategies as st

import minires
from minires.kernels.cpu import tuning
from minires.modes import Modes, modes

# So small that a few numbers already are several tiles, blocks and shares.
TINY = {
    "held_elements": 0,
    "held_products": 0,
    "shared_elements": 0,
    "shared_products": 0,
    "ufunc_buffer": 16,
    "pooled_bytes": 0,
    "tile": 40,
    "column_row": 8,
    "joined_row": 8,
    "margin_rows": 2,
    "small_kernels": True,
    "small_product": 2000,
    "small_result": 30,
    "lanes": 4,
    "narrow": 8,
    "block": 4,
    "large_parameter": 1,
    "sgd_tile": 7,
}


@contextmanager
def machine(threads=2, tiny=True):
    """Use so many threads, kernels even in a suite of the reference alone, tiny pieces or not."""
    before = minires.get_num_threads()
    with pytest.MonkeyPatch.context() as patch, tuning.changed(**(TINY if tiny else {})):
        patch.setattr(Modes, "textbook", False)
        patch.setattr(modes, "textbook", False)
        minires.set_num_threads(threads)
        try:
            yield
        finally:
            minires.set_num_threads(before)


machines = st.tuples(st.integers(1, 3), st.booleans())  # for `machine`
