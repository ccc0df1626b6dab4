"""The fast operations as on other machines: with more threads, or cut into tiny pieces."""

from contextlib import contextmanager

import pytest
from hypothesis import strategies as st

import minires
from minires import modes as context
from minires.kernels.cpu import batchnorm as numpy_batchnorm
from minires.kernels.cpu import columns, maps, memory, strips, threads
from minires.kernels.cpu import conv as numpy_conv
from minires.kernels.cpu import gemm as products
from minires.kernels.cpu import pool as numpy_pool
from minires.kernels.cpu import sgd as numpy_sgd

# So small that a few numbers already are several tiles, blocks and shares.
TINY = (
    (columns, "_NARROW", 8),
    (maps, "_SHORT", 8),
    (maps, "_TILE", 40),
    (memory, "_SMALL", 0),
    (numpy_batchnorm, "_GROUP", 60),
    (numpy_conv, "_SHORT", 10),
    (numpy_conv, "_TILE", 100),
    (numpy_pool, "_TILE", 40),
    (numpy_sgd, "_LARGE", 1),
    (numpy_sgd, "_TILE", 7),
    (products, "_BLOCK", 4),
    (products, "_LANES", 4),
    (products, "_NARROW", 8),
    (products, "_SMALL", 2000),
    (products, "_SMALL_RESULT", 30),
    (strips, "_FEW_ROWS", 2),
    (threads, "_WORTH_HOLDING", 0),
    (threads, "_WORTH_SHARING", 0),
)


@contextmanager
def machine(threads=2, tiny=True):
    """Inside, so many threads, fast operations even in a suite run by the textbook, tiny or not."""
    before = minires.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(context._State, "textbook", False)
        patch.setattr(context.state, "textbook", False)
        for module, name, value in TINY if tiny else ():
            patch.setattr(module, name, value)
        forget_sizes()
        minires.set_num_threads(threads)
        try:
            yield
        finally:
            minires.set_num_threads(before)
            forget_sizes()


def forget_sizes():
    """What was worked out from the sizes of pieces is worked out again."""
    for module in (products, numpy_conv):
        for value in vars(module).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()


machines = st.tuples(st.integers(1, 3), st.booleans())  # for `machine`
