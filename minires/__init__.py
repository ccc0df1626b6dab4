"""minires: an engine for understanding residual networks."""

from . import functional, models, nn, optim
from .backend import manual_seed
from .engine import Op, Step, Tensor, no_grad
from .errors import MiniresError
from .gradcheck import gradcheck
from .inspect import detect_anomaly
from .nn import load_weights, save_weights

__version__ = "0.1.0"

__all__ = [
    "MiniresError",
    "Op",
    "Step",
    "Tensor",
    "detect_anomaly",
    "functional",
    "gradcheck",
    "load_weights",
    "manual_seed",
    "models",
    "nn",
    "no_grad",
    "optim",
    "save_weights",
]
