"""Readers of the graph and of the walk: hooks, layers, the first NaN, a tree, a step recorded."""

from ..autograd.hooks import backward_hook, forward_hook
from .anomaly import detect_anomaly
from .graph import Block, Graph, Node
from .layers import watch_layers
from .trace import Trace, record
