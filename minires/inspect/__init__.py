"""Readers of the graph and of the walk backwards: hooks, the first NaN, layers, what was saved."""

from .anomaly import detect_anomaly
from .graph import Block, Graph, Node
from .hooks import backward_hook, forward_hook
from .layers import watch_layers

__all__ = [
    "Block",
    "Graph",
    "Node",
    "backward_hook",
    "detect_anomaly",
    "forward_hook",
    "watch_layers",
]
