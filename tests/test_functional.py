"""Functions take their arguments by PyTorch's names, in PyTorch's order."""

import inspect

import numpy as np
import pytest
from oracles import assert_same, needs_torch, torch

from minires import functional as F

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3, 6, 6))
W = RNG.normal(size=(5, 3, 3, 3))
B, MEAN, VAR = RNG.normal(size=5), RNG.normal(size=3), RNG.uniform(1, 2, 3)

CALLS = {
    "linear": {"input": X[0, 0], "weight": RNG.normal(size=(5, 6)), "bias": B},
    "relu": {"input": X, "inplace": False},
    "conv2d": {
        "input": X,
        "weight": W,
        "bias": B,
        "stride": 2,
        "padding": 1,
        "dilation": 1,
        "groups": 1,
    },
    "batch_norm": {
        "input": X,
        "running_mean": MEAN,
        "running_var": VAR,
        "weight": VAR,
        "bias": MEAN,
        "training": False,
        "momentum": 0.1,
        "eps": 1e-3,
    },
    "max_pool2d": {
        "input": X,
        "kernel_size": 3,
        "stride": 2,
        "padding": 1,
        "dilation": 1,
        "ceil_mode": False,
        "return_indices": False,
    },
    "avg_pool2d": {
        "input": X,
        "kernel_size": 3,
        "stride": 2,
        "padding": 1,
        "ceil_mode": False,
        "count_include_pad": True,
        "divisor_override": None,
    },
    "adaptive_avg_pool2d": {"input": X, "output_size": 1},
    "dropout": {"input": X, "p": 0.5, "training": False, "inplace": False},
    "pad": {"input": X, "pad": (1, 2, 0, 1), "mode": "constant", "value": 0.5},
    "softmax": {"input": X, "dim": 1},
    "log_softmax": {"input": X, "dim": 1},
    "cross_entropy": {
        "input": X[:, :, 0, 0],
        "target": [0, 2, 1, 1],
        "weight": VAR,
        "ignore_index": 2,
        "reduction": "mean",
        "label_smoothing": 0.1,
    },
}


@needs_torch
@pytest.mark.parametrize("name", CALLS)
def test_arguments_by_name_are_pytorchs(name):
    given = CALLS[name]
    theirs = {
        key: torch.as_tensor(value) if isinstance(value, np.ndarray | list) else value
        for key, value in given.items()
    }
    expected = getattr(torch.nn.functional, name)(**theirs).numpy()
    assert_same(getattr(F, name)(**given).data, expected, 1e-12)


@pytest.mark.parametrize("name", CALLS)
def test_the_order_of_arguments_is_the_one_above(name):
    parameters = list(inspect.signature(getattr(F, name)).parameters.values())
    theirs, ours = parameters[: len(CALLS[name])], parameters[len(CALLS[name]) :]
    assert [p.name for p in theirs] == list(CALLS[name])
    assert all(p.kind is p.KEYWORD_ONLY for p in ours)
