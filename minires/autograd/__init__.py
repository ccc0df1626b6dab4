"""Automatic differentiation: tensors, operations, and the walk backwards through them."""

from .engine import Gradients, Op, Operand, Tensor, add_gradients
from .step import Ops, Step, Target, expect_some, matching, norm

__all__ = [
    "Gradients",
    "Op",
    "Operand",
    "Ops",
    "Step",
    "Target",
    "Tensor",
    "add_gradients",
    "expect_some",
    "matching",
    "norm",
]
