"""minires: an engine for understanding residual networks."""

import sys

from . import functional, kernels, models, nn, optim
from .autograd import Op, Step, Tensor
from .autograd.checkpoint import checkpoint
from .autograd.gradcheck import gradcheck
from .backend import manual_seed
from .deprecated import OldModules, keep_old_names
from .errors import MiniresError
from .functional import cat
from .inspect import detect_anomaly
from .kernels import Replayed, get_num_threads, set_num_threads
from .modes import no_grad, textbook, tf32
from .pytorch import PyTorchNames
from .viz import graph as _drawn_graphs  # a notebook shows a Graph by it
from .viz.progress import progress
from .weights import export_onnx, load, load_weights, save, save_weights

__version__ = "0.1.0"

sys.meta_path[:0] = [OldModules, PyTorchNames]
for _module in ("", ".errors", ".functional", ".nn", ".nn.init", ".optim", ".optim.lr_scheduler"):
    keep_old_names(f"{__name__}{_module}")
