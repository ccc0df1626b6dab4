"""The racing car: the textbook's operations, computed for speed on one kind of machine.

Importing this room makes every operation that has a fast twin become it (see
`minires.context.twin`); the twins have the textbook's signatures and answers.
"""

from . import (
    cupy_batchnorm,
    cupy_conv,
    cupy_images,
    cupy_join,
    cupy_loss,
    cupy_pool,
    cupy_reshape,
    cupy_sgd,
    numpy_batchnorm,
    numpy_conv,
    numpy_join,
    numpy_loss,
    numpy_matmul,
    numpy_pool,
    numpy_reshape,
    numpy_sgd,
)
from .threads import get_num_threads, set_num_threads

__all__ = [
    "cupy_batchnorm",
    "cupy_conv",
    "cupy_images",
    "cupy_join",
    "cupy_loss",
    "cupy_pool",
    "cupy_reshape",
    "cupy_sgd",
    "get_num_threads",
    "numpy_batchnorm",
    "numpy_conv",
    "numpy_join",
    "numpy_loss",
    "numpy_matmul",
    "numpy_pool",
    "numpy_reshape",
    "numpy_sgd",
    "set_num_threads",
]
