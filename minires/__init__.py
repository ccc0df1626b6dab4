"""minires: an engine for understanding residual networks."""

import sys

from . import functional, kernels, models, nn, optim
from .autograd import Op, Step, Tensor
from .autograd.checkpoint import checkpoint
from .autograd.gradcheck import gradcheck
from .backend import manual_seed
from .deprecated import OldModules, keep_old_names
from .errors import MiniresError
from .inspect import detect_anomaly
from .kernels import get_num_threads, set_num_threads
from .modes import no_grad, textbook, tf32
from .viz import graph as _drawn_graphs  # a notebook shows a Graph by it
from .viz.progress import progress
from .weights import export_onnx, load_weights, save_weights

__version__ = "0.1.0"

sys.meta_path.insert(0, OldModules)
keep_old_names(__name__)
keep_old_names("minires.errors")
