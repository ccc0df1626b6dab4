"""Readers of the graph and of the walk backwards: hooks, the first NaN, what was saved, a tree."""

from .anomaly import detect_anomaly
from .graph import Block, Graph, Node
from .hooks import backward_hook, forward_hook

__all__ = ["Block", "Graph", "Node", "backward_hook", "detect_anomaly", "forward_hook"]
