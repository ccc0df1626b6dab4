"""Checks of what operations are given: messages name what was given and what was expected.

Those of an operation are its method `check`, called before its forward: `op` is the
operation, the other arguments are its inputs.
"""

from .dims import concatenate, index, pad, permute, reduction, reduction_of_some, reshape, some
from .inputs import (
    batch_norm,
    batch_norm_inference,
    binary,
    broadcast,
    channels,
    class_weights,
    conv2d,
    cross_entropy,
    difference,
    floats,
    global_avg_pool2d,
    images,
    likelihood,
    linear,
    log_softmax,
    logits,
    matmul,
    numbers,
    pool2d,
    pool_padding,
    windows,
)
