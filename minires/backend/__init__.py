"""Which array library owns an array, loading it, moving arrays, random generators."""

from .arrays import (
    Array,
    array_module,
    backend_name,
    destination,
    expect_same_backend,
    is_array,
    is_dense,
    move,
    placed,
    to_numpy,
)
from .library import BACKENDS, capability, default, load, use
from .random import generator, manual_seed
