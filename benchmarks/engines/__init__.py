"""The engines that are compared, one a file; each builds the same net from the same weights.

A file has `training(net, batch)`, which returns a step to call; it does one training step of
SGD with momentum and weight decay and returns the loss. minires and PyTorch also have
`inference(net, batch)`, whose step returns the mean of the logits' magnitudes. So it can be
seen that all compute the same.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

Step = Callable[[], float]

LR, MOMENTUM, WEIGHT_DECAY, EPS = 0.01, 0.9, 1e-4, 1e-5


class Kind(NamedTuple):
    """An engine, and how it is set up."""

    module: str  # the file in this folder
    library: str  # what must be installed
    settings: dict[str, Any]


ENGINES = {
    "minires": Kind("minires", "minires", {}),
    "minires-replayed": Kind("minires", "minires", {"replayed": True}),
    "minires-textbook": Kind("minires", "minires", {"textbook": True}),
    "pytorch": Kind("pytorch", "torch", {}),
    "pytorch-channels-last": Kind("pytorch", "torch", {"channels_last": True}),
    "jax": Kind("jax", "jax", {}),
    "tinygrad": Kind("tinygrad", "tinygrad", {}),
    "mygrad": Kind("mygrad", "mygrad", {}),
    "chainer": Kind("chainer", "chainer", {}),
    "dezero": Kind("dezero", "dezero", {}),
}
ON_GPU = {
    "minires-graph": Kind("minires_gpu", "minires", {"graph": True}),
    "minires-launched": Kind("minires_gpu", "minires", {}),
    "minires-graph-tf32": Kind("minires_gpu", "minires", {"graph": True, "tf32": True}),
    "pytorch-eager": Kind("pytorch_gpu", "torch", {}),
    "pytorch-graph": Kind("pytorch_gpu", "torch", {"graph": True}),
    "pytorch-compiled": Kind("pytorch_gpu", "torch", {"channels_last": True, "compiled": True}),
    "pytorch-eager-tf32": Kind("pytorch_gpu", "torch", {"tf32": True}),
    "pytorch-graph-tf32": Kind("pytorch_gpu", "torch", {"graph": True, "tf32": True}),
    "pytorch-compiled-tf32": Kind(
        "pytorch_gpu", "torch", {"channels_last": True, "compiled": True, "tf32": True}
    ),
}
KINDS = ENGINES | ON_GPU
PEERS = ("jax", "tinygrad", "mygrad", "chainer", "dezero")
