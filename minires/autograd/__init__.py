"""Automatic differentiation: tensors, and the walk backwards through their operations."""

from ..ops import Gradients, Op
from . import apply
from .operators import Operand
from .selection import Ops, expect_some, matching
from .step import Step, Target, norm
from .tensor import Tensor
