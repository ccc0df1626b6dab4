"""Look into a training step: hooks, the graph, responses of layers, the first NaN, a trace."""

from ..autograd.hooks import backward_hook, forward_hook
from .anomaly import detect_anomaly
from .graph import Block, Graph, Node
from .layers import watch_layers
from .trace import Trace, record
