"""Gradient flow: the gradient that reaches each layer, measured in plain and residual nets."""

from .config import FIGURES, FlowConfig
from .run import FlowRun
