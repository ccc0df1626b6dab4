"""minires: an engine for understanding residual networks."""

from . import fast, functional, models, nn, optim
from .backend import manual_seed
from .checkpoint import checkpoint
from .context import no_grad, textbook, tf32
from .engine import Op, Tensor
from .errors import MiniresError
from .fast import get_num_threads, set_num_threads
from .gradcheck import gradcheck
from .inspect import detect_anomaly
from .step import Step
from .weights import export_onnx, load_weights, save_weights

__version__ = "0.1.0"

__all__ = [
    "MiniresError",
    "Op",
    "Step",
    "Tensor",
    "checkpoint",
    "detect_anomaly",
    "export_onnx",
    "fast",
    "functional",
    "get_num_threads",
    "gradcheck",
    "load_weights",
    "manual_seed",
    "models",
    "nn",
    "no_grad",
    "optim",
    "save_weights",
    "set_num_threads",
    "textbook",
    "tf32",
]
